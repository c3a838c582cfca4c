// What stable can't carry stays where it is, whatever takes the weight away: a newer template, a
// lost mark, a lower step.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { Command } from '../../src/core/model.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

const stable = 'aaaaaaaaaa';
let cluster: FakeCluster;

/** The weights that commands give, and the pods that they ask for. */
function moves(commands: readonly Command[]): string[] {
  return commands.flatMap((command) => {
    if (command.kind === 'setWeights') return `weight ${command.canaryWeight}`;
    if (command.kind !== 'writeRevision' || command.replicas === undefined) return [];
    return `${command.name} ${command.replicas}`;
  });
}

describe('weight that a newer template takes from a canary at 100 %', () => {
  beforeEach(() => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, bake: '60s' } });
    canaryInTraffic(cluster, 0);
    cluster.action = { kind: 'action', action: { verb: 'promote', id: 'now', revision: null } };
    for (let second = 0; second < 2; second++) {
      cluster.nowMs += 1000;
      breaching(cluster, 60, 0);
      cluster.settle();
    }
    expect(cluster.route.canaryWeight).to.equal(100);
  });

  for (const [template, ready, weight] of [
    ['c', 4, 0],
    ['c', 2, 0],
    ['c', 1, 75],
    ['c', 0, 100],
    [stable, 2, 0],
    [stable, 1, 75],
    [stable, 0, 100],
  ] as const) {
    it(`goes to ${weight} % for ${template} while ${ready} of 4 stable pods are there`, () => {
      cluster.ready.set(stable, ready);
      cluster.desired = template;
      cluster.pass();
      expect(cluster.route.canaryWeight).to.equal(weight);
      const before = cluster.weightWrites.length;
      cluster.settle();
      if (weight > 0) expect(cluster.weightWrites).to.have.lengthOf(before);
      cluster.ready.clear();
      cluster.settle();
      expect(cluster.services.canary).to.equal(template);
      expect(cluster.route.canaryWeight).to.equal(template === 'c' ? 20 : 0);
    });
  }

  it('comes with the pods that stable lacks', () => {
    const revision = cluster.revisions.get(stable);
    if (revision !== undefined) revision.replicas = 1;
    cluster.desired = 'c';
    const { commands } = decide(cluster.observe());
    expect(moves(commands)).to.deep.equal(['weight 75', 'shop-aaaaaaaaaa 4']);
  });
});

describe('weight of a canary whose stable has no pods', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
    cluster.ready.set(stable, 0);
  });

  it('stays where a route lost its mark', () => {
    cluster.route.mark = null;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('stays where another writer raised it', () => {
    cluster.route.canaryWeight = 90;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(90);
    cluster.ready.clear();
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('stays where it has no pod either', () => {
    cluster.ready.set('b', 0);
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
  });
});
