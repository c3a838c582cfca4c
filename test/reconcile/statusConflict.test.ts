// A status that somebody else wrote first: when the next look comes, and how urgent that is.
import { expect } from 'chai';
import { breaching, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

describe('a status that somebody else wrote first', () => {
  const sceneOf = (cluster: FakeCluster, begin: (revision: string) => void): Scene => {
    const scene = new Scene(cluster, begin);
    scene.takeStatus = async () => ({ kind: 'conflict', message: 'changed' });
    return scene;
  };

  it('while traffic is taken away is looked at again urgently, and never later', async () => {
    const cluster = new FakeCluster(spec);
    const scene = sceneOf(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
      breaching(cluster, 7);
      cluster.settle();
      cluster.route.canaryWeight = 20;
    });
    scene.moveRoutes = async () => [{ kind: 'done', route: 'shop', changed: true, atMs: 5 }];
    for (let i = 0; i < 5; i++) {
      expect(await scene.pass()).to.deep.equal({
        result: 'conflict',
        lookAgainMs: 50,
        urgent: true,
      });
    }
  });

  it('is left to the back-off of the queue while none is', async () => {
    const scene = sceneOf(new FakeCluster(spec), () => undefined);
    expect(await scene.pass()).to.deep.equal({
      result: 'failed',
      lookAgainMs: null,
      urgent: false,
    });
  });
});
