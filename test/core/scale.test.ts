// What an HPA counts through the scale subresource: the pods that status.selector names, and
// status.replicas, which counts the same ones.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { RevisionView } from '../../src/core/model.ts';
import { foldStatus } from '../../src/core/status.ts';
import { breaching, canaryInTraffic, healthyFor, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

const stable = 'aaaaaaaaaa';
const alone = (revision: string): string => `app=web,pod-template-hash in (${revision})`;
const both = `app=web,pod-template-hash in (${stable},b)`;
let cluster: FakeCluster;

/** What the newest status says of the pods. */
function counted(): readonly unknown[] {
  const { replicas, selector, ready } = cluster.status ?? {};
  return [selector, replicas, ready];
}

/** The same with the revisions as the change makes them. */
function countedWith(change: (view: RevisionView) => Partial<RevisionView>): readonly unknown[] {
  const obs = cluster.observe();
  const revisions = obs.revisions.map((view) => ({ ...view, ...change(view) }));
  const { replicas, selector, ready } = foldStatus(decide({ ...obs, revisions }), []);
  return [selector, replicas, ready];
}

function promoteTo100(): void {
  cluster.action = { kind: 'action', action: { verb: 'promote', id: 'now', revision: null } };
  healthyFor(cluster, 2);
  expect(cluster.route.canaryWeight).to.equal(100);
}

describe('what an HPA counts', () => {
  beforeEach(() => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, bake: '60s' } });
  });

  it('is stable where there is no canary, and no pod before that', () => {
    cluster.pass();
    expect(counted()).to.deep.equal(['app=web', 0, '0/0']);
    cluster.settle();
    expect(counted()).to.deep.equal([alone(stable), 4, '4/4']);
  });

  it('is both revisions while stable has traffic, at whatever step', () => {
    canaryInTraffic(cluster, 0);
    expect(counted()).to.deep.equal([both, 5, '5/5']);
    healthyFor(cluster, 11);
    expect(cluster.route.canaryWeight).to.equal(50);
    expect(counted()).to.deep.equal([both, 6, '6/6']);
  });

  it('is both revisions before the canary has any traffic, too', () => {
    cluster.broken.set('b', 'ContainerCreating');
    cluster.rollOut('b');
    expect(cluster.route.canaryWeight).to.equal(0);
    expect(counted()).to.deep.equal([both, 5, '4/5']);
  });

  it('is the new revision alone at 100 %, and still when that is stable', () => {
    canaryInTraffic(cluster, 0);
    promoteTo100();
    expect(cluster.status?.stable?.revision).to.equal(stable);
    expect(counted()).to.deep.equal([alone('b'), 4, '4/4']);
    healthyFor(cluster, 61);
    expect(cluster.status).to.deep.include({ phase: 'Stable' });
    expect(counted()).to.deep.equal([alone('b'), 4, '4/4']);
  });

  it('is both revisions while stable has traffic of any route, however little', () => {
    canaryInTraffic(cluster, 0);
    promoteTo100();
    const obs = cluster.observe();
    const [route] = obs.routes;
    if (route === undefined || route === null) throw new Error('the spec names a route');
    const pairs = route.pairs.map((pair) => ({ ...pair, stableWeight: 1, canaryWeight: 999 }));
    const nearly = { ...route, pairs };
    for (const routes of [[nearly], [route, nearly], [nearly, route]]) {
      expect(foldStatus(decide({ ...obs, routes }), []).selector).to.equal(both);
    }
    expect(foldStatus(decide({ ...obs, routes: [route] }), []).selector).to.equal(alone('b'));
  });

  it('is stable alone once a verdict stands, at whatever weight it was taken', () => {
    for (const weight of [20, 100]) {
      cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, bake: '60s' } });
      canaryInTraffic(cluster, 8);
      if (weight === 100) promoteTo100();
      cluster.nowMs += 8_000;
      breaching(cluster, 7);
      expect(cluster.settle().phase).to.equal('RolledBack');
      expect(counted(), `at ${weight}`).to.deep.equal([alone(stable), 4, '4/4']);
    }
  });

  it('is pods that exist, also those that are to go or were not made yet', () => {
    canaryInTraffic(cluster, 0);
    const current = ({ revision }: RevisionView): object => ({ current: revision === 'b' ? 0 : 7 });
    expect(countedWith(current)).to.deep.equal([both, 7, '5/5']);
    promoteTo100();
    const others = ({ revision }: RevisionView): object => ({ current: revision === 'b' ? 3 : 7 });
    expect(countedWith(others)).to.deep.equal([alone('b'), 3, '4/4']);
  });

  it('is told in the same words whichever revision is the newer one', () => {
    cluster.spec = { ...cluster.spec, selector: { matchLabels: { app: 'web', tier: 'front' } } };
    canaryInTraffic(cluster, 0);
    const labels = 'app=web,tier=front,pod-template-hash in';
    expect(cluster.status?.selector).to.equal(`${labels} (${stable},b)`);
    cluster.desired = '2';
    cluster.settle();
    expect(cluster.status?.selector).to.equal(`${labels} (2,${stable})`);
  });

  it('is both revisions without a router, while pods of both serve', () => {
    cluster = new FakeCluster({ ...spec, traffic: { service: 'web' } });
    cluster.rollOut('b');
    expect(counted()).to.deep.equal([both, 4, '4/4']);
  });
});
