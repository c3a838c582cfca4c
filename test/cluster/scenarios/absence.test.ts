// Scenario 14 of docs/scenarios.md: a metric server in every kind of trouble. Each has its own
// reason, none lets the canary advance, and none blames it.
import { expect } from 'chai';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { sharedCluster } from '../shared.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';
import { healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus, Misbehaviour } from './fakePrometheus.ts';
import { Stage } from './stage.ts';

/** What happens, and the reason that people read. */
const troubles: readonly (readonly [Misbehaviour | 'refused', string])[] = [
  ['refused', 'Refused'],
  ['slow', 'TimedOut'],
  ['client error', 'ClientError'],
  ['server error', 'ServerError'],
  ['truncated', 'Truncated'],
  ['no JSON', 'Malformed'],
  ['NaN', 'NotANumber'],
  ['+Inf', 'Infinite'],
  ['empty', 'Empty'],
  ['stale', 'Stale'],
  ['partial', 'Partial'],
  ['too many series', 'TooManySeries'],
];

describe('a metric server in trouble', function () {
  this.timeout(240_000);
  let stage: Stage;
  let operator: OperatorHandle;
  let pods: PodSetter;
  let routes: RouteAcceptor;
  let metrics: FakePrometheus;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    pods = await startPodSetter(cluster);
    routes = acceptRoutes(cluster);
    metrics = await startFakePrometheus();
    stage = await Stage.open(cluster, 'absence');
    stage.metricsUrl = metrics.url;
    operator = await stage.startOperator();
  });

  after(async () => {
    await stage.close();
    await operator.stop();
    await metrics.close();
    await routes.stop();
    await pods.stop();
  });

  it('scenario 14: is named, passes nothing and blames nobody, whatever it is', async () => {
    const steps = [
      { weight: 20, hold: '1s' },
      { weight: 50, hold: '1h' },
    ];
    const change = { canary: { steps, drainDelay: '1s' } };
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    metrics.misbehave('empty');
    await stage.apply(stage.template('v2'), change);
    const status = await stage.status('the canary in traffic', ({ canary, step }) => {
      return canary?.weight === 20 && step?.startedAt !== undefined;
    });
    metrics.reports.set(`${stage.namespace}/${status.canary?.replicaSet}`, healthy);
    for (const [trouble, reason] of troubles) {
      if (trouble === 'refused') await metrics.listen(false);
      else metrics.misbehave(trouble);
      const named = await stage.status(`the reason ${reason}`, ({ signals, conditions }) => {
        const evidence = conditions?.find(({ type }) => type === 'EvidenceAvailable');
        const verdict = signals?.find(({ name }) => name === 'errorRate')?.verdict;
        return verdict === reason && evidence?.status === 'False';
      });
      expect(named.step?.current, trouble).to.equal(1);
      expect(named.phase, trouble).to.equal('Progressing');
      expect(named.incidents, trouble).to.equal(undefined);
      if (trouble === 'refused') await metrics.listen(true);
    }
    expect(await stage.weights()).to.deep.equal([80, 20]);
    metrics.misbehave(null);
    await stage.status('the next step', ({ canary }) => canary?.weight === 50);
  });
});
