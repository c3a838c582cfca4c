// A ReplicaSet that lost its label, or was deleted without its pods: these go on serving.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { Observation } from '../../src/core/model.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

describe('stable out of sight', () => {
  let cluster: FakeCluster;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
  });

  /** What is seen without the ReplicaSet of stable, whose pods serve or have ended. */
  const without = (serve: 'pods serve' | 'pods have ended'): Observation => {
    const obs = cluster.observe();
    return {
      ...obs,
      revisions: obs.revisions.filter(({ revision }) => revision !== 'aaaaaaaaaa'),
      ...(serve === 'pods serve' ? {} : { stableEndpoints: { ready: 0, pods: [] } }),
    };
  };

  for (const [when, begin] of [
    ['with a canary', () => canaryInTraffic(cluster)],
    [
      'at rest, with a new template',
      () => {
        cluster.settle();
        cluster.desired = 'b';
      },
    ],
  ] as const) {
    it(`keeps its traffic while its pods serve, ${when}`, () => {
      begin();
      const decision = decide(without('pods serve'));
      expect(decision).to.deep.include({ check: 'stableIsOutOfSight', stalled: true });
      expect(decision.message).to.include('4 pods of revision aaaaaaaaaa serve');
      expect(decision.commands).to.deep.equal([]);
    });

    it(`gives way to a first rollout once its pods have ended, ${when}`, () => {
      begin();
      expect(decide(without('pods have ended')).check).to.equal('firstRevisionIsMissing');
    });
  }

  it('takes the traffic back from a canary in breach', () => {
    canaryInTraffic(cluster);
    breaching(cluster, 7);
    const { check, commands } = decide(without('pods serve'));
    expect(check).to.equal('rollbackLimitHeld');
    expect(commands[0]).to.include({ kind: 'setWeights', guard: 'lower', canaryWeight: 0 });
  });

  it('takes the weight from a canary that is replaced, and gives the next one none', () => {
    canaryInTraffic(cluster);
    cluster.desired = 'c';
    const { check, commands } = decide(without('pods serve'));
    expect(check).to.equal('canaryIsSuperseded');
    expect(commands[0]).to.include({ kind: 'setWeights', guard: 'lower', canaryWeight: 0 });
    cluster.route.canaryWeight = 0;
    expect(decide(without('pods serve')).check).to.equal('stableIsOutOfSight');
  });

  it('lets no canary be blamed for pods that nobody asked for', () => {
    cluster.settle();
    cluster.broken.set('b', 'ContainerCreating');
    cluster.desired = 'b';
    cluster.settle();
    cluster.nowMs += 3_600_000;
    expect(decide(cluster.observe()).check).to.equal('podsHaveFailed');
    expect(decide(without('pods serve')).check).to.equal('stableIsOutOfSight');
  });
});
