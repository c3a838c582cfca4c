// What goes on while a verdict stands: repairs, a retry of what is stable, and the next template.
import { expect } from 'chai';
import type { ActionVerb } from '../../src/api/actions.ts';
import { breaching, canaryInTraffic, healthyFor, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

const first = 'aaaaaaaaaa';
let cluster: FakeCluster;

const healthy = (seconds: number): void => healthyFor(cluster, seconds);

function act(verb: ActionVerb): void {
  cluster.action = { kind: 'action', action: { verb, id: verb, revision: null } };
}

describe('a canary that was rolled back', () => {
  for (const role of ['stable', 'canary'] as const) {
    it(`leaves no ${role} service missing`, () => {
      cluster = new FakeCluster(spec);
      canaryInTraffic(cluster);
      breaching(cluster, 7);
      cluster.settle();
      cluster.nowMs += 6_000;
      cluster.settle();
      cluster.services[role] = null;
      expect(cluster.settle().phase).to.equal('RolledBack');
      expect(cluster.services).to.deep.equal({ stable: first, canary: first });
    });
  }
});

describe('a stable revision that is rejected while the one before it does not come up', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
    act('promote');
    healthy(20);
    cluster.broken.set(first, 'ErrImagePull');
    act('rollback');
    healthy(2);
    expect(cluster.record('b').rejected).to.equal(true);
    expect(cluster.services.stable).to.equal('b');
  });

  it('is looked at again when that one is late, and not before nor after', () => {
    const { lookAgainAtMs = 0 } = cluster.settle();
    expect(lookAgainAtMs - cluster.nowMs).to.be.within(590_000, 600_000);
    cluster.nowMs = lookAgainAtMs;
    expect(cluster.settle().lookAgainAtMs).to.equal(undefined);
  });

  it('keeps its services', () => {
    cluster.services.stable = null;
    cluster.settle();
    expect(cluster.services.stable).to.equal('b');
  });

  it('is accepted again by a retry', () => {
    const created = cluster.carriedOut.length;
    act('retry');
    healthy(7);
    const writes = cluster.carriedOut.slice(created).map(({ kind }) => kind);
    expect(writes).not.to.include('createReplicaSet');
    expect(cluster.record('b')).to.include({ rejected: false, attempt: 2, role: 'stable' });
    expect(cluster.status?.phase).to.equal('Stable');
    expect(cluster.status?.rejected).to.equal(undefined);
    expect(cluster.status?.lastActions?.[0]).to.include({ id: 'retry', result: 'Done' });
    expect(cluster.revisions.get(first)?.replicas).to.equal(0);
  });

  it('gives way to a newer template once the one before it is late', () => {
    cluster.desired = 'c';
    healthy(5);
    expect(cluster.revisions.has('c')).to.equal(false);
    cluster.nowMs += 600_000;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
    expect(cluster.status?.canary?.revision).to.equal('c');
    healthy(40);
    expect(cluster.status).to.include({ phase: 'Stable' });
    expect(cluster.services).to.deep.equal({ stable: 'c', canary: 'c' });
  });

  it('gives way to a newer template at once when none before it is left', () => {
    cluster.revisions.delete(first);
    cluster.desired = 'c';
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('hides no verdict against that newer template', () => {
    cluster.revisions.delete(first);
    cluster.desired = 'c';
    cluster.settle();
    cluster.nowMs += 8_000;
    breaching(cluster, 7);
    cluster.pass();
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(0);
    expect(cluster.services).to.deep.equal({ stable: 'b', canary: 'b' });
    expect(cluster.status?.rejected?.map(({ revision }) => revision)).to.deep.equal(['c', 'b']);
  });
});

describe('a revision that comes back while it drains', () => {
  it('is written to before it gets the traffic, so that no older scale-down takes its pods', () => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, drainDelay: '300s' } });
    canaryInTraffic(cluster, 0);
    act('promote');
    healthy(20);
    expect(cluster.record(first).drainingSinceMs).not.to.equal(null);
    expect(cluster.revisions.get(first)?.replicas).to.equal(4);
    const before = cluster.carriedOut.length;
    act('rollback');
    cluster.settle();
    const writes = cluster.carriedOut.slice(before).flatMap((command) => {
      if (command.kind === 'applyService') return `${command.role} to ${command.revision}`;
      return command.kind === 'writeRevision' && command.name === `shop-${first}` ? 'written' : [];
    });
    expect(writes.slice(0, 2)).to.deep.equal(['written', `stable to ${first}`]);
    expect(cluster.services.stable).to.equal(first);
    expect(cluster.record(first).drainingSinceMs).to.equal(null);
  });
});
