// A verdict once it was taken: it outlives every witness but one, and only a person lifts it.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import { breaching, canaryInTraffic, orderRetry, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

describe('a verdict', () => {
  let cluster: FakeCluster;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
  });

  const rejected = (): void => {
    canaryInTraffic(cluster);
    breaching(cluster, 7);
    cluster.settle();
    cluster.nowMs += 6_000;
    cluster.settle();
    cluster.evidence = null;
  };

  const lose = {
    status: () => (cluster.status = undefined),
    replicaSet: () => cluster.revisions.delete('b'),
    route: () => Object.assign(cluster.route, { verdict: null, mark: null, incident: null }),
  };
  for (const [witness, lost] of [
    ['route', [lose.status, lose.replicaSet]],
    ['ReplicaSet', [lose.status, lose.route]],
    ['status', [lose.replicaSet, lose.route]],
  ] as const) {
    it(`stands against the revision by the ${witness} alone`, () => {
      rejected();
      for (const one of lost) one();
      const before = cluster.weightWrites.length;
      expect(cluster.settle().phase).to.equal('RolledBack');
      expect(cluster.weightWrites.slice(before).every(({ weight }) => weight === 0)).to.equal(true);
      expect(cluster.status?.rejected?.[0]).to.include({ revision: 'b' });
    });
  }

  it('outlives a newer template, though only the route could be written', () => {
    cluster.settle();
    cluster.broken.set('b', 'CrashLoopBackOff');
    cluster.desired = 'b';
    while (decide(cluster.observe()).check !== 'podsHaveFailed') cluster.pass();
    cluster.pass({ dieAfter: 1 });
    expect(cluster.record('b').rejected).to.equal(false);
    cluster.broken.clear();
    cluster.rollOut('c');
    expect(cluster.route.mark?.revision).to.equal('c');
    expect(cluster.record('b').rejected).to.equal(true);
    const before = cluster.weightWrites.length;
    cluster.desired = 'b';
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(cluster.weightWrites.slice(before).every(({ weight }) => weight === 0)).to.equal(true);
  });

  it('writes a lost incident again', () => {
    rejected();
    const incident = cluster.status?.incidents?.[0];
    cluster.status = undefined;
    cluster.settle();
    expect(cluster.status).to.deep.nested.include({ 'incidents[0].id': incident?.id });
    expect(cluster.status).to.deep.nested.include({ 'incidents[0].value': incident?.value });
  });

  it('is lifted by a retry, which is a new attempt with no evidence of the old one', () => {
    rejected();
    const before = cluster.record('b');
    cluster.nowMs += 1_000;
    orderRetry(cluster);
    cluster.settle();
    expect(cluster.record('b').attempt).to.equal(2);
    expect(cluster.record('b').attemptStartMs).to.be.above(before.attemptStartMs ?? 0);
    expect(cluster.route).to.deep.include({ canaryWeight: 20, verdict: 'none' });
    expect(cluster.status?.rejected).to.equal(undefined);
    expect(cluster.status?.lastActions?.[0]).to.include({ id: 'again', result: 'Done' });
  });

  it('is lifted by a retry once the pods of the old attempt are gone, with their restarts', () => {
    canaryInTraffic(cluster);
    cluster.broken.set('b', 'CrashLoopBackOff');
    cluster.settle();
    orderRetry(cluster);
    cluster.settle();
    expect(cluster.revisions.get('b')?.replicas, 'it drains').to.equal(1);
    expect(cluster.record('b').attempt).to.equal(1);
    cluster.nowMs += 6_000;
    const drained = (): boolean => cluster.revisions.get('b')?.replicas === 0;
    while (!drained()) cluster.pass();
    cluster.broken.clear();
    cluster.settle();
    expect(cluster.record('b').attempt).to.equal(2);
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('is not lifted while pods of the old attempt are still to be ended', () => {
    rejected();
    cluster.nowMs += 6_000;
    cluster.settle();
    orderRetry(cluster);
    cluster.pass();
    const obs = cluster.observe();
    expect(decide(obs).check).to.equal('retryWasAccepted');
    const pods = obs.revisions.find(({ revision }) => revision === 'aaaaaaaaaa')?.pods ?? [];
    expect(pods).to.not.deep.equal([]);
    const withPods = (current: number, waitingReason: string | null): string => {
      const inState = pods.map((pod) => {
        const containers = pod.containers.map((one) => ({ ...one, waitingReason }));
        return { ...pod, containers };
      });
      const revisions = obs.revisions.map((view) =>
        view.revision === 'b' ? { ...view, pods: inState, current } : view,
      );
      return decide({ ...obs, revisions }).check;
    };
    expect(withPods(1, null)).to.not.equal('retryWasAccepted');
    expect(withPods(0, 'CrashLoopBackOff'), 'seen late').to.not.equal('retryWasAccepted');
    expect(withPods(0, null), 'an evicted pod stays listed').to.equal('retryWasAccepted');
  });

  it('takes the traffic from another canary, too, when its template comes back', () => {
    rejected();
    cluster.rollOut('c');
    expect(cluster.route.canaryWeight).to.equal(20);
    const before = cluster.carriedOut.length;
    cluster.desired = 'b';
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(cluster.route).to.include({ canaryWeight: 0, verdict: 'rejected' });
    expect(cluster.services.canary).to.equal('aaaaaaaaaa');
    const order = cluster.carriedOut.slice(before).map(({ kind }) => kind);
    expect(order.slice(0, 2)).to.deep.equal(['setWeights', 'readBack']);
    expect(order[order.indexOf('applyService') - 1]).to.equal('readBack');
    cluster.nowMs += 6_000;
    cluster.settle();
    expect(cluster.revisions.get('c')?.replicas).to.equal(0);
    orderRetry(cluster);
    cluster.settle();
    expect(cluster.status?.lastActions?.[0]).to.include({ id: 'again', result: 'Done' });
    expect(cluster.route.mark).to.include({ revision: 'b', attempt: 2 });
  });

  it('shows RolledBack only while the canary has no weight', () => {
    rejected();
    cluster.route.canaryWeight = 30;
    cluster.routesLag = true;
    expect(cluster.pass().phase).to.equal('RollingBack');
    cluster.routesLag = false;
    cluster.settle();
    expect(cluster.status?.phase).to.equal('RolledBack');
    expect(cluster.route.canaryWeight).to.equal(0);
  });

  it('comes of an order too, once', () => {
    canaryInTraffic(cluster);
    const action = { verb: 'rollback', id: 'now', revision: null } as const;
    cluster.action = { kind: 'action', action };
    expect(decide(cluster.observe()).check).to.equal('rollbackWasOrdered');
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(cluster.status?.incidents?.[0]).to.include({ alert: 'MANUAL_ROLLBACK' });
    expect(cluster.status?.lastActions).to.have.lengthOf(1);
  });

  it('is refused to an order while stable serves', () => {
    cluster.settle();
    const action = { verb: 'rollback', id: 'now', revision: null } as const;
    cluster.action = { kind: 'action', action };
    expect(cluster.settle().phase).to.equal('Stable');
    expect(cluster.status?.lastActions?.[0]).to.include({ id: 'now', result: 'Refused' });
  });
});
