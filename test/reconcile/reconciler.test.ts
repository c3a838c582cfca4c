// One pass over one object: what it forgets, and when it asks for the next look.
import { expect } from 'chai';
import type { X0ttaDeployment } from '../../src/api/schema.ts';
import type { ClusterWrites, WriteResult } from '../../src/kube/port.ts';
import { createReconciler } from '../../src/reconcile/reconciler.ts';
import type { Reconciler } from '../../src/reconcile/reconciler.ts';
import { specWith } from '../api/spec.ts';

const key = 'mesh/shop';

function objectWith(finalizers: readonly string[]): X0ttaDeployment {
  return {
    apiVersion: 'x0tta.io/v1alpha1',
    kind: 'X0ttaDeployment',
    metadata: {
      name: 'shop',
      namespace: 'mesh',
      uid: 'uid-shop',
      generation: 1,
      resourceVersion: '7',
      finalizers,
    },
    spec: specWith(),
  };
}

describe('a pass', () => {
  let object: X0ttaDeployment | undefined;
  let result: WriteResult<never>;
  let writes: string[];
  let forgotten: string[];
  let decided: string[];
  let reconciler: Reconciler;
  const done: WriteResult<never> = { kind: 'done', object: undefined as never };

  beforeEach(() => {
    object = objectWith([]);
    result = done;
    [writes, forgotten, decided] = [[], [], []];
    const answer = (name: string) => async (): Promise<WriteResult<never>> => {
      writes.push(name);
      return result;
    };
    const clusterWrites: ClusterWrites = {
      createReplicaSet: answer('createReplicaSet'),
      patchReplicaSet: answer('patchReplicaSet'),
      deleteReplicaSet: answer('deleteReplicaSet'),
      createService: answer('createService'),
      selectPods: answer('selectPods'),
      orphan: answer('orphan'),
      writeFinalizers: answer('writeFinalizers'),
      writeStatus: answer('writeStatus'),
      readService: async () => ({ kind: 'missing', message: 'none' }),
    };
    reconciler = createReconciler({
      cache: {
        deployment: () => object,
        deploymentOfUid: () => undefined,
        replicaSetsOf: () => [],
        podsOf: () => [],
        service: () => undefined,
        slicesOf: () => [],
      },
      writes: clusterWrites,
      traffic: {
        read: () => [null],
        carryOut: async () => [],
        release: async () => [],
        handBack: async () => [],
        readBack: async () => ({ atZero: true, message: '' }),
      },
      evidence: {
        watch: () => undefined,
        forget: (name) => void forgotten.push(name),
        read: () => null,
        arrivedMs: () => null,
        nowMs: () => 1_000,
        problemOf: () => null,
        checkQueries: () => [],
        release: () => undefined,
        onInteresting: () => undefined,
      },
      clock: { nowMs: () => 1_000, monotonicMs: () => 0, setTimer: () => () => undefined },
      events: { tell: () => undefined },
      log: () => undefined,
      telling: {
        decided: (check) => void decided.push(check),
        incident: () => undefined,
        trafficMoved: () => undefined,
        statusFailed: () => undefined,
        routeFailed: () => undefined,
      },
    });
  });

  it('forgets the evidence on an object that is gone', async () => {
    object = undefined;
    expect(await reconciler.reconcile(key)).to.deep.include({ result: 'done', lookAgainMs: null });
    expect(forgotten).to.deep.equal([key]);
    expect(writes).to.deep.equal([]);
  });

  it('looks again at once after a write, and leaves the status to that look', async () => {
    expect(await reconciler.reconcile(key)).to.deep.include({ result: 'done', lookAgainMs: 0 });
    expect(writes).to.deep.equal(['writeFinalizers']);
    expect(decided).to.deep.equal(['finalizerIsMissing']);
  });

  it('looks again soon where somebody else wrote first', async () => {
    result = { kind: 'conflict', message: 'changed' };
    const pass = await reconciler.reconcile(key);
    expect(pass).to.include({ result: 'conflict' });
    expect(pass.lookAgainMs).to.be.within(1, 1_000);
  });

  it('looks later and later while the caches do not see who wrote', async () => {
    result = { kind: 'conflict', message: 'changed' };
    const waits: (number | null)[] = [];
    for (let i = 0; i < 9; i++) waits.push((await reconciler.reconcile(key)).lookAgainMs);
    expect(waits).to.deep.equal([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    result = done;
    await reconciler.reconcile(key);
    result = { kind: 'conflict', message: 'changed' };
    expect((await reconciler.reconcile(key)).lookAgainMs).to.equal(50);
  });

  it('leaves it to the back-off of the queue when a write failed', async () => {
    result = { kind: 'failed', reason: 'InternalError', error: new Error('500') };
    expect(await reconciler.reconcile(key)).to.deep.include({
      result: 'failed',
      lookAgainMs: null,
    });
  });

  it('says what is missing, and looks for it by itself: no watch shows it', async () => {
    object = objectWith(['x0tta.io/traffic']);
    const pass = await reconciler.reconcile(key);
    expect(decided).to.deep.equal(['userServiceIsMissing']);
    expect(writes).to.deep.equal(['writeStatus']);
    expect(pass.lookAgainMs).to.be.above(0);
  });
});
