// What the time in which traffic is moved counts, and from when to when.
import { expect } from 'chai';
import type { RouteOutcome } from '../../src/traffic/port.ts';
import { breaching, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

describe('the time in which traffic is moved', () => {
  let scene: Scene;
  let routesMoved: number;

  beforeEach(() => {
    const cluster = new FakeCluster(spec);
    scene = new Scene(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
    });
    scene.arrivedMs = scene.clock.nowMs();
    scene.moveRoutes = async () => [await route('shop', 300)];
    routesMoved = 0;
  });

  /** A route that takes its new weights after so many ms. */
  const route = async (name: string, ms: number): Promise<RouteOutcome> => {
    await scene.clock.advance(ms);
    routesMoved++;
    return { kind: 'done', route: name, changed: true, atMs: scene.clock.nowMs() };
  };
  const moved = async (): Promise<readonly number[]> => {
    await scene.pass();
    return scene.movedSeconds;
  };

  it('begins when the evidence came in and ends when the routes took their weights', async () => {
    breaching(scene.cluster, 7);
    await scene.clock.advance(200);
    scene.moveRoutes = async () => [await route('shop', 850)];
    expect(await moved()).to.deep.equal([1.05]);
    expect(scene.decided).to.deep.equal(['rollbackLimitHeld']);
    expect(scene.incidents).to.deep.equal(['HIGH_ERROR_RATE']);
  });

  it('begins no later for evidence that comes in while the routes take their weights', async () => {
    breaching(scene.cluster, 7);
    scene.moveRoutes = async () => {
      const outcome = await route('shop', 300);
      scene.arrivedMs = scene.clock.nowMs() + 20;
      return [outcome];
    };
    expect(await moved()).to.deep.equal([0.3]);
  });

  it('ends with the last of several routes, whichever of them that is', async () => {
    breaching(scene.cluster, 7);
    scene.moveRoutes = async () => {
      const [first, second, last] = [
        await route('api', 300),
        await route('web', 100),
        await route('admin', 300),
      ];
      return [first, last, second, { kind: 'gone', route: 'old' }];
    };
    expect(await moved()).to.deep.equal([0.7]);
  });

  it('is not told while a route still has its weights of before', async () => {
    breaching(scene.cluster, 7);
    scene.moveRoutes = async () => [
      await route('api', 300),
      { kind: 'failed', route: 'web', reason: 'InternalError', error: new Error('500') },
    ];
    expect(await moved()).to.deep.equal([]);
    expect(scene.decided).to.deep.equal(['rollbackLimitHeld']);
  });

  it('is not told of evidence that nobody knows the arrival of', async () => {
    breaching(scene.cluster, 7);
    scene.arrivedMs = null;
    expect(await moved()).to.deep.equal([]);
    expect(routesMoved).to.equal(1);
  });

  it('is not told of weights that move for no hold', async () => {
    scene.cluster.broken.set(scene.revision, 'CrashLoopBackOff');
    expect(await moved()).to.deep.equal([]);
    expect(scene.decided).to.deep.equal(['podsHaveFailed']);
    expect(routesMoved).to.equal(1);
  });

  it('is not told before the hold is complete', async () => {
    breaching(scene.cluster, 5);
    expect(await moved()).to.deep.equal([]);
    expect(routesMoved).to.equal(0);
  });
});
