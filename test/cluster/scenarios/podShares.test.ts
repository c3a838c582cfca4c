// Scenario 6 of docs/scenarios.md: without a router the shares are pod counts, on a real API
// server; the metric server says what the test wants.
import { expect } from 'chai';
import type { Cluster } from '../cluster.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { besideOneAnother } from './beside.ts';
import { failing, healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { app, Stage } from './stage.ts';
import type { ReplicaSet, SpecChange } from './stage.ts';

describe('a rollout without a router', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let operator: OperatorHandle;
  let pods: PodSetter;
  let metrics: FakePrometheus;

  const change: SpecChange = {
    replicas: 10,
    traffic: { service: app },
    strategy: { maxSurge: 2, maxUnavailable: 0 },
    canary: {
      steps: [
        { weight: 20, hold: '2s' },
        { weight: 50, hold: '2s' },
      ],
      bake: '1s',
    },
  };

  before(async () => {
    cluster = await sharedCluster('control-plane');
    pods = await startPodSetter(cluster);
    metrics = await startFakePrometheus();
    operator = await (await open()).startOperator();
  });

  after(async () => {
    await operator.stop();
    await metrics.close();
    await pods.stop();
  });

  const open = async (): Promise<Stage> => {
    const stage = await Stage.open(cluster, 'counts');
    stage.metricsUrl = metrics.url;
    return stage;
  };

  const beside = besideOneAnother<Stage>(async (test) => {
    const stage = await open();
    await stage.apply(stage.template('v1'), change);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), change);
    try {
      await test(stage);
    } finally {
      await stage.close();
    }
  });

  /** The replicas that were asked for, in the order of their writes: `ReplicaSet count`. */
  const scaled = (stage: Stage): readonly (readonly [string, number])[] =>
    stage.operatorsWrites<ReplicaSet>('replicasets').map(({ metadata, spec }) => {
      return [metadata.name, spec.replicas];
    });

  const reportWith = async (stage: Stage, reporter: typeof healthy): Promise<string> => {
    const status = await stage.status('the first share', ({ canary, step }) => {
      return canary?.available === 2 && step?.startedAt !== undefined;
    });
    metrics.reports.set(`${stage.namespace}/${status.canary?.replicaSet}`, reporter);
    return status.canary?.replicaSet ?? '';
  };

  beside(
    'scenario 6: takes the canary to 0 at once, then stable to its replicas',
    async (stage) => {
      const canary = await reportWith(stage, failing);
      const status = await stage.phase('RolledBack');
      expect(status.incidents?.[0]).to.include({ alert: 'HIGH_ERROR_RATE' });
      expect(status.incidents?.[0]?.trafficRestoredAt).to.be.a('string');
      const writes = scaled(stage);
      const verdict = writes.findIndex(([name, count], i) => {
        return name === canary && count === 0 && (writes[i - 1]?.[1] ?? 0) > 0 && i > 2;
      });
      expect(writes[verdict + 1]).to.deep.equal([status.stable?.replicaSet, 10]);
      await waitFor('ten pods of stable alone', async () => (await stage.pods()).length === 10);
    },
  );

  beside('scenario 6: moves forward within the surge, and promotes', async (stage) => {
    const canary = await reportWith(stage, healthy);
    await stage.status('v2 stable', ({ phase, stable }) => {
      return phase === 'Stable' && stable?.replicaSet === canary;
    });
    const counts = new Map<string, number>();
    for (const [name, count] of scaled(stage)) {
      counts.set(name, count);
      const total = [...counts.values()].reduce((sum, each) => sum + each, 0);
      expect(total).to.be.at.most(12);
    }
    expect(counts.get(canary)).to.equal(10);
    await waitFor('ten pods', async () => (await stage.pods()).length === 10);
  });
});
