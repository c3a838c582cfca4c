// A ReplicaSet that lost its label, or was deleted without its pods: these go on serving.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import { canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

describe('stable out of sight', () => {
  const cluster = new FakeCluster(spec);
  canaryInTraffic(cluster);
  const obs = cluster.observe();
  const without = { ...obs, revisions: obs.revisions.filter(({ revision }) => revision === 'b') };

  it('keeps its traffic while its pods serve, and a person is told', () => {
    const decision = decide(without);
    expect(decision).to.deep.include({ check: 'stableIsOutOfSight', stalled: true });
    expect(decision.message).to.include('4 pods of revision aaaaaaaaaa serve');
    expect(decision.commands).to.deep.equal([]);
  });

  it('is no more once its pods are gone', () => {
    const decision = decide({ ...without, stableEndpoints: { ready: 0, pods: [] } });
    expect(decision.check).to.equal('firstRevisionIsMissing');
  });
});
