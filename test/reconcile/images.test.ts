// Images that can't be pulled: the API says that they fail, and not since when, so the operator
// notes it, and takes its verdict when they have failed for long enough.
import { expect } from 'chai';
import type { ContainerStatus, Pod } from '../../src/kube/port.ts';
import { ObjectMemory } from '../../src/reconcile/memory.ts';
import { failsToPull } from '../../src/reconcile/views.ts';
import { spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

function waitingFor(reason: string): ContainerStatus {
  return { name: 'main', state: { waiting: { reason } } };
}

function podOf(uid: string, ...containerStatuses: readonly ContainerStatus[]): Pod {
  return { metadata: { name: uid, uid, resourceVersion: '7' }, status: { containerStatuses } };
}

const failing = waitingFor('ImagePullBackOff');
const running: ContainerStatus = { name: 'main', state: {} };

describe('a pod whose image fails', () => {
  for (const reason of [
    'ErrImagePull',
    'ImagePullBackOff',
    'ErrImageNeverPull',
    'InvalidImageName',
  ]) {
    it(`is one that waits for ${reason}, in any of its containers`, () => {
      expect(failsToPull(podOf('a', running, waitingFor(reason)))).to.equal(true);
      const initContainerStatuses = [running, waitingFor(reason)];
      expect(failsToPull({ ...podOf('a'), status: { initContainerStatuses } })).to.equal(true);
    });
  }

  it('is none that waits for something else, runs, or was not begun yet', () => {
    for (const reason of ['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff']) {
      expect(failsToPull(podOf('a', waitingFor(reason))), reason).to.equal(false);
    }
    expect(failsToPull(podOf('a', running))).to.equal(false);
    expect(failsToPull({ metadata: podOf('a').metadata })).to.equal(false);
  });

  it('fails since it was first seen so, and anew once it was seen otherwise', () => {
    const memory = new ObjectMemory('uid-shop');
    const since = (): (number | null)[] => ['a', 'b'].map((uid) => memory.imageFailingSince(uid));
    memory.notePods([podOf('a', failing), podOf('b', running)], 1_000);
    expect(since()).to.deep.equal([1_000, null]);
    memory.notePods([podOf('a', waitingFor('ErrImagePull')), podOf('b', failing)], 2_000);
    expect(since()).to.deep.equal([1_000, 2_000]);
    memory.notePods([podOf('a', running), podOf('b', failing)], 3_000);
    expect(since()).to.deep.equal([null, 2_000]);
    memory.notePods([podOf('a', failing)], 4_000);
    expect(since(), 'b is gone').to.deep.equal([4_000, null]);
  });
});

describe('a canary whose image fails', () => {
  let scene: Scene;

  beforeEach(() => {
    const cluster = new FakeCluster(spec);
    scene = new Scene(cluster, (revision) => {
      cluster.broken.set(revision, 'ContainerCreating');
      cluster.rollOut(revision);
    });
  });

  const waitFor = (reason: string): void => void scene.cluster.broken.set(scene.revision, reason);
  const check = async (): Promise<string | undefined> => {
    await scene.pass();
    return scene.decided.at(-1);
  };

  it('is rolled back when it has failed for 30 s, and not before', async () => {
    waitFor('ErrImagePull');
    expect(await scene.pass()).to.include({ lookAgainMs: 30_000 });
    await scene.clock.advance(29_999);
    expect(await scene.pass()).to.include({ lookAgainMs: 1 });
    expect(scene.decided).to.deep.equal(['podsAreMissing', 'podsAreMissing']);
    expect(scene.incidents).to.deep.equal([]);
    await scene.clock.advance(1);
    expect(await check()).to.equal('podsHaveFailed');
    expect(scene.incidents).to.deep.equal(['SERVICE_DOWN']);
    const { phase, incidents } = scene.statuses.at(-1) ?? {};
    expect(phase).to.be.oneOf(['RollingBack', 'RolledBack']);
    expect(incidents?.[0]).to.include({ alert: 'SERVICE_DOWN', revision: scene.revision });
    expect(incidents?.[0]?.value).to.include('ErrImagePull');
  });

  it('is not saved by another way of saying that it fails', async () => {
    waitFor('ErrImagePull');
    await scene.pass();
    await scene.clock.advance(20_000);
    waitFor('ImagePullBackOff');
    expect(await check()).to.equal('podsAreMissing');
    await scene.clock.advance(10_000);
    expect(await check()).to.equal('podsHaveFailed');
  });

  it('has 30 s anew after its image could be pulled', async () => {
    waitFor('ErrImagePull');
    await scene.pass();
    await scene.clock.advance(20_000);
    waitFor('ContainerCreating');
    await scene.pass();
    await scene.clock.advance(5_000);
    waitFor('ErrImagePull');
    await scene.pass();
    await scene.clock.advance(29_999);
    expect(await check()).to.equal('podsAreMissing');
    await scene.clock.advance(1);
    expect(await check()).to.equal('podsHaveFailed');
  });

  it('is not rolled back for containers that are only created', async () => {
    expect(await check()).to.equal('podsAreMissing');
    await scene.clock.advance(60_000);
    expect(await check()).to.equal('podsAreMissing');
    expect(scene.incidents).to.deep.equal([]);
  });
});
