// What an object leaves behind when it goes, and in which order.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

let cluster: FakeCluster;

/** All pods are the canary's. */
function canaryInUse(of: FakeCluster): void {
  of.rollOut('b');
  const action = { verb: 'promote', id: 'now', revision: null } as const;
  of.action = { kind: 'action', action };
  for (let second = 0; second < 3; second++) {
    of.nowMs += 1000;
    breaching(of, 60, 0);
    of.settle();
  }
  expect(of.revisions.get('aaaaaaaaaa')?.replicas).to.equal(0);
}

describe('the end of an object', () => {
  it('leaves stable and both services behind where it is told to', () => {
    cluster = new FakeCluster({ ...spec, deletionPolicy: 'Orphan' });
    canaryInTraffic(cluster);
    cluster.finalizing = true;
    const { commands } = decide(cluster.observe());
    expect(commands.map(({ kind }) => kind)).to.deep.equal([
      'releaseRoutes',
      'applyService',
      'orphan',
      'handBackRoutes',
      'removeFinalizer',
    ]);
    expect(commands[2]).to.deep.include({
      replicaSets: [{ name: 'shop-aaaaaaaaaa', uid: 'uid-aaaaaaaaaa' }],
    });
  });

  it('leaves the canary behind, too, where no router is and stable can not carry it', () => {
    const pods = { service: 'web' };
    cluster = new FakeCluster({ ...spec, traffic: pods, deletionPolicy: 'Orphan' });
    canaryInUse(cluster);
    cluster.finalizing = true;
    const names = (): unknown =>
      decide(cluster.observe()).commands.flatMap((command) =>
        command.kind === 'orphan' ? command.replicaSets.map(({ name }) => name) : [],
      );
    expect(names(), 'in the bake').to.deep.equal(['shop-aaaaaaaaaa', 'shop-b']);
    const revision = cluster.revisions.get('aaaaaaaaaa');
    if (revision !== undefined) revision.replicas = 4;
    expect(names(), 'with stable complete').to.deep.equal(['shop-aaaaaaaaaa']);
  });
});
