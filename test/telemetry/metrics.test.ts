// The metrics as they are scraped: names, labels, and that their number has a bound.
import { expect } from 'chai';
import { BUILT_IN_SIGNALS } from '../../src/api/runbook.ts';
import { createMetrics, type Metrics, type Readings } from '../../src/telemetry/metrics.ts';
import { FakeClock } from '../runtime/fakeClock.ts';

const facts = { version: '1.2.3', node: '24.21.0', hash: '0123456789ab' };

async function linesOf(metrics: Metrics): Promise<readonly string[]> {
  const { text } = await metrics.exposition();
  return text.split('\n').filter((line) => line.startsWith('x0tta_'));
}

describe('metrics', () => {
  let metrics: Metrics;
  let clock: FakeClock;

  beforeEach(() => {
    clock = new FakeClock(1_700_000_000_500);
    metrics = createMetrics(facts, clock);
  });

  const watch = (change: Partial<Readings>): void =>
    metrics.watch({
      queue: () => ({ urgentReady: 0, normalReady: 0, delayed: 0, processing: 0, failing: 0 }),
      isLeader: () => false,
      crdMissingCount: () => 0,
      synced: () => ({}),
      phases: () => ({}),
      stalled: () => ({}),
      canaries: () => [],
      ...change,
    });

  it('are an exposition that Prometheus reads, with the process in it', async () => {
    const { contentType, text } = await metrics.exposition();
    expect(contentType).to.match(/^text\/plain; version=0\.0\.4/);
    expect(text).to.include('process_resident_memory_bytes ');
    expect(text).to.include('nodejs_eventloop_lag_seconds ');
  });

  it('count passes, queries, decisions and rollbacks', async () => {
    metrics.observeReconcile('done', 0.02);
    metrics.observeReconcile('failed', 3);
    metrics.observeQuery('main', 'ok');
    metrics.observeQuery('main', 'TimedOut');
    metrics.countDecision('rollbackLimitHeld');
    metrics.countIncident('HIGH_ERROR_RATE');
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_reconcile_duration_seconds_count{result="done"} 1',
      'x0tta_reconcile_duration_seconds_bucket{le="0.025",result="done"} 1',
      'x0tta_reconcile_duration_seconds_count{result="failed"} 1',
      'x0tta_metric_queries_total{server="main",result="ok"} 1',
      'x0tta_metric_queries_total{server="main",result="TimedOut"} 1',
      'x0tta_decisions_total{check="rollbackLimitHeld"} 1',
      'x0tta_incidents_total{alert="HIGH_ERROR_RATE"} 1',
    ]);
  });

  it('ask for the queue and the phases at each scrape', async () => {
    let delayed = 3;
    const phases = { Stable: 8, Progressing: 1, RollingBack: 0, RolledBack: 0, Invalid: 0 };
    watch({
      queue: () => ({ urgentReady: 1, normalReady: 2, delayed, processing: 4, failing: 0 }),
      phases: () => phases,
    });
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_queue_keys{state="urgentReady"} 1',
      'x0tta_queue_keys{state="delayed"} 3',
      'x0tta_objects{phase="Stable"} 8',
      'x0tta_objects{phase="RollingBack"} 0',
    ]);
    delayed = 0;
    expect(await linesOf(metrics)).to.include('x0tta_queue_keys{state="delayed"} 0');
  });

  it('say what runs, with what, and whether it leads', async () => {
    let [leads, missing] = [false, 0];
    watch({ isLeader: () => leads, crdMissingCount: () => missing });
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_build_info{version="1.2.3",node="24.21.0"} 1',
      'x0tta_configuration_info{hash="0123456789ab"} 1',
      'x0tta_leader 0',
      'x0tta_crd_missing_fields 0',
    ]);
    [leads, missing] = [true, 7];
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_leader 1',
      'x0tta_crd_missing_fields 7',
    ]);
  });

  it('say of each watched resource whether it is known whole', async () => {
    let synced: Record<string, boolean> = { pods: false, services: true };
    watch({ synced: () => synced });
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_watch_synced{resource="pods"} 0',
      'x0tta_watch_synced{resource="services"} 1',
    ]);
    synced = { ...synced, pods: true, httproutes: false };
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_watch_synced{resource="pods"} 1',
      'x0tta_watch_synced{resource="httproutes"} 0',
    ]);
  });

  it('name the reasons that objects are stalled by, and none of before', async () => {
    let stalled: Record<string, number> = { RouteMissing: 2, UnknownServer: 1 };
    let phases: Record<string, number> = { Stable: 3 };
    watch({ stalled: () => stalled, phases: () => phases });
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_objects_stalled{reason="RouteMissing"} 2',
      'x0tta_objects_stalled{reason="UnknownServer"} 1',
      'x0tta_objects{phase="Stable"} 3',
    ]);
    stalled = { RouteMissing: 1 };
    phases = {};
    const left = (await linesOf(metrics)).filter((line) => line.startsWith('x0tta_objects'));
    expect(left).to.deep.equal(['x0tta_objects_stalled{reason="RouteMissing"} 1']);
  });

  it('keep when a metric server last gave a good answer, once it has', async () => {
    const last = 'x0tta_metric_server_last_answer_timestamp_seconds';
    const lines = async (): Promise<readonly string[]> =>
      (await linesOf(metrics)).filter((line) => line.startsWith(last));
    metrics.observeQuery('main', 'TimedOut');
    expect(await lines()).to.deep.equal([]);
    metrics.observeQuery('main', 'ok');
    await clock.advance(60_000);
    metrics.observeQuery('main', 'TimedOut');
    expect(await lines()).to.deep.equal([`${last}{server="main"} 1700000000.5`]);
    metrics.observeQuery('main', 'ok');
    expect(await lines()).to.deep.equal([`${last}{server="main"} 1700000060.5`]);
  });

  it('count writes that failed, by a bounded set of reasons, and lost Events', async () => {
    for (const reason of ['Forbidden', 'Forbidden', 'Network', 'SomethingNew', '']) {
      metrics.countStatusFailure(reason);
      metrics.countRouteFailure(reason);
    }
    metrics.countDroppedEvent();
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_status_write_failures_total{reason="Forbidden"} 2',
      'x0tta_status_write_failures_total{reason="Network"} 1',
      'x0tta_status_write_failures_total{reason="Other"} 2',
      'x0tta_route_write_failures_total{reason="Forbidden"} 2',
      'x0tta_route_write_failures_total{reason="Network"} 1',
      'x0tta_route_write_failures_total{reason="Other"} 2',
      'x0tta_events_dropped_total 1',
    ]);
  });

  it('time requests to the API server, and the way from a hold to its patch', async () => {
    metrics.observeRequest('PATCH', 200, 0.02);
    metrics.observeRequest('GET', 0, 15);
    metrics.observeMove(0.04);
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_api_request_duration_seconds_count{method="PATCH",status="200"} 1',
      'x0tta_api_request_duration_seconds_count{method="GET",status="none"} 1',
      'x0tta_hold_to_patch_seconds_bucket{le="0.05"} 1',
    ]);
  });

  it('name canaries while they are on their way, and no longer', async () => {
    const signals = [
      { name: 'errorRate', level: 'Critical', value: 0.07 },
      { name: 'memory', level: 'Unknown', value: null },
    ] as const;
    let canaries = [{ namespace: 'mesh', name: 'shop', weight: 20, signals }];
    watch({ canaries: () => canaries });
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_canary_weight_ratio{namespace="mesh",name="shop"} 0.2',
      'x0tta_signal_level{namespace="mesh",name="shop",signal="errorRate"} 2',
      'x0tta_signal_level{namespace="mesh",name="shop",signal="memory"} -1',
      'x0tta_signal_value{namespace="mesh",name="shop",signal="errorRate"} 0.07',
    ]);
    canaries = [];
    expect((await linesOf(metrics)).join('\n')).to.not.include('shop');
  });

  it('name every alert of the runbook', async () => {
    const alerts = new Set(Object.values(BUILT_IN_SIGNALS).map(({ alert }) => alert));
    for (const alert of alerts) metrics.countIncident(alert);
    const lines = await linesOf(metrics);
    for (const alert of alerts)
      expect(lines).to.include(`x0tta_incidents_total{alert="${alert}"} 1`);
  });

  it('put what users name under one label', async () => {
    for (let i = 0; i < 100; i++) metrics.countIncident(`CUSTOM_SIGNAL_${i}`);
    expect(await linesOf(metrics)).to.include('x0tta_incidents_total{alert="CUSTOM"} 100');
  });

  it('have a registry of their own', async () => {
    metrics.countDecision('here');
    expect((await linesOf(createMetrics(facts, clock))).join()).to.not.include('here');
  });
});
