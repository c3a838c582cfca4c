// The metrics as they are scraped: names, labels, and that their number has a bound.
import { expect } from 'chai';
import { BUILT_IN_SIGNALS } from '../../src/api/runbook.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';

async function linesOf(metrics: Metrics): Promise<readonly string[]> {
  const { text } = await metrics.exposition();
  return text.split('\n').filter((line) => line.startsWith('x0tta_'));
}

describe('metrics', () => {
  let metrics: Metrics;

  beforeEach(() => {
    metrics = createMetrics();
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
      'x0tta_reconcile_seconds_count{result="done"} 1',
      'x0tta_reconcile_seconds_bucket{le="0.025",result="done"} 1',
      'x0tta_reconcile_seconds_count{result="failed"} 1',
      'x0tta_metric_queries_total{server="main",result="ok"} 1',
      'x0tta_metric_queries_total{server="main",result="TimedOut"} 1',
      'x0tta_decisions_total{check="rollbackLimitHeld"} 1',
      'x0tta_incidents_total{alert="HIGH_ERROR_RATE"} 1',
    ]);
  });

  it('ask for the queue and the phases at each scrape', async () => {
    let delayed = 3;
    metrics.watchQueue(() => ({
      urgentReady: 1,
      normalReady: 2,
      delayed,
      processing: 4,
      failing: 0,
    }));
    const phases = { Stable: 8, Progressing: 1, RollingBack: 0, RolledBack: 0, Invalid: 0 };
    metrics.watchPhases(() => phases);
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_queue_keys{state="urgentReady"} 1',
      'x0tta_queue_keys{state="delayed"} 3',
      'x0tta_objects{phase="Stable"} 8',
      'x0tta_objects{phase="RollingBack"} 0',
    ]);
    delayed = 0;
    expect(await linesOf(metrics)).to.include('x0tta_queue_keys{state="delayed"} 0');
  });

  it('time requests to the API server, and the way from a hold to its patch', async () => {
    metrics.observeRequest('PATCH', 200, 0.02);
    metrics.observeRequest('GET', 0, 15);
    metrics.observeMove(0.04);
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_api_request_seconds_count{method="PATCH",status="200"} 1',
      'x0tta_api_request_seconds_count{method="GET",status="none"} 1',
      'x0tta_hold_to_patch_seconds_bucket{le="0.05"} 1',
    ]);
  });

  it('name canaries while they are on their way, and no longer', async () => {
    const signals = [
      { name: 'errorRate', level: 'Critical', value: 0.07 },
      { name: 'memory', level: 'Unknown', value: null },
    ] as const;
    let canaries = [{ namespace: 'mesh', name: 'shop', weight: 20, signals }];
    metrics.watchCanaries(() => canaries);
    expect(await linesOf(metrics)).to.include.members([
      'x0tta_canary_weight_percent{namespace="mesh",name="shop"} 20',
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
    expect((await linesOf(createMetrics())).join()).to.not.include('here');
  });
});
