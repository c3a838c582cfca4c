// More on scenario 16 of docs/scenarios.md: a gateway that is slow to accept a route, at a step
// whose evidence is sound. A helper writes the acceptance into the route's status, or does not.
import { expect } from 'chai';
import type { Status } from '../../../src/api/schema.ts';
import type { OperatorHandle } from '../operator.ts';
import { sharedCluster } from '../shared.ts';
import { healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const steps = [
  { weight: 20, hold: '2s' },
  { weight: 50, hold: '1h' },
];

describe('a route whose acceptance lags', function () {
  this.timeout(120_000);
  let stage: Stage;
  let standIns: StandIns;
  let metrics: FakePrometheus;
  let operator: OperatorHandle;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    metrics = await startFakePrometheus();
    stage = await Stage.open(cluster, 'acceptance');
    stage.metricsUrl = metrics.url;
    operator = await stage.startOperator();
  });

  beforeEach(async () => {
    stage = await Stage.open(await sharedCluster('control-plane'), 'acceptance');
    standIns.routes.accepts(true);
    await stage.applyAll(stage.template('v1'), { canary: { steps, drainDelay: '0s' } });
    await stage.phase('Stable');
    standIns.routes.accepts(false);
    await stage.apply(stage.template('v2'), { canary: { steps, drainDelay: '0s' } });
  });

  afterEach(async () => {
    await stage.close();
  });

  after(async () => {
    await operator.stop();
    await metrics.close();
    await standIns.stop();
  });

  const report = ({ canary }: Status): void => {
    metrics.reports.set(`${stage.namespace}/${canary?.replicaSet}`, healthy);
  };

  const waitingForRouter = (weight: number): Promise<Status> =>
    stage.status(`the canary at ${weight} %, not accepted`, ({ canary, conditions }) => {
      const routed = conditions?.find(({ type }) => type === 'TrafficRouted');
      return canary?.weight === weight && routed?.reason === 'WaitingForRouter';
    });

  /** When the router's word on the route was written last, by the API server's clock. */
  const lastAcceptanceMs = (): number => {
    const acceptance = stage
      .writes()
      .findLast(
        ({ objectRef }) =>
          objectRef.resource === 'httproutes' && objectRef.subresource === 'status',
      );
    return Date.parse(acceptance?.requestReceivedTimestamp ?? '');
  };

  it('begins no hold, and so no step, before it is accepted', async () => {
    const waiting = await waitingForRouter(20);
    expect(waiting.step).to.deep.equal({ current: 1, total: 2, label: '1/2' });
    const ready = waiting.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).to.include({ status: 'False', reason: 'WaitingForRouter' });
    report(waiting);
    await stage.status('evidence that would do', ({ signals }) =>
      ['errorRate', 'latencyP95'].every((name) =>
        signals?.some((signal) => signal.name === name && signal.verdict === 'Clear'),
      ),
    );
    expect(stage.weightChanges()).to.deep.equal([0, 20]);
    standIns.routes.accepts(true);
    const { step } = await stage.canaryAt(20);
    // The metric server's clock is known to the second.
    expect(Date.parse(step?.startedAt ?? '')).to.be.at.least(lastAcceptanceMs() - 1_000);
    await stage.canaryAt(50);
    expect(stage.weightChanges()).to.deep.equal([0, 20, 50]);
  });

  it('is rolled back without waiting for the acceptance', async () => {
    standIns.routes.accepts(true);
    report(await stage.canaryAt(20));
    standIns.routes.accepts(false);
    await waitingForRouter(50);
    const accepted = lastAcceptanceMs();
    await stage.breakCanary();
    const status = await stage.phase('RolledBack');
    expect(await stage.weights()).to.deep.equal([100, 0]);
    expect(status.incidents?.[0]?.resolvedAt).to.be.a('string');
    expect(lastAcceptanceMs(), 'the last acceptance').to.equal(accepted);
  });
});
