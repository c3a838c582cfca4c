// A status that somebody else wrote first: when the next look comes, and how urgent that is.
import { expect } from 'chai';
import { API_VERSION, FINALIZER, KIND, REVISION_LABEL } from '../../src/api/names.ts';
import type { RevisionView } from '../../src/core/model.ts';
import type { ClusterWrites, ReplicaSet, WriteResult } from '../../src/kube/port.ts';
import { createReconciler } from '../../src/reconcile/reconciler.ts';
import type { Reconciler } from '../../src/reconcile/reconciler.ts';
import { writeRecord } from '../../src/reconcile/record.ts';
import { breaching, canaryInTraffic, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';

/** As the caches have it. */
function replicaSetOf({ name, uid, revision, record }: RevisionView): ReplicaSet {
  const noted = Object.entries(writeRecord(record)).filter(([, value]) => value !== null);
  const owner = { apiVersion: API_VERSION, kind: KIND, name: 'shop', uid: 'uid-shop' };
  return {
    metadata: {
      name,
      namespace: 'mesh',
      uid,
      resourceVersion: '7',
      labels: { [REVISION_LABEL]: revision },
      annotations: Object.fromEntries(noted) as Record<string, string>,
      ownerReferences: [{ ...owner, controller: true }],
    },
    spec: { replicas: 1 },
  };
}

/** All writes are taken but that of the status. */
function writes(): ClusterWrites {
  const done = async (): Promise<WriteResult<never>> => ({
    kind: 'done',
    object: undefined as never,
  });
  return {
    createReplicaSet: done,
    patchReplicaSet: done,
    deleteReplicaSet: done,
    createService: done,
    selectPods: done,
    orphan: done,
    writeFinalizers: done,
    writeStatus: async () => ({ kind: 'conflict', message: 'changed' }),
    readService: async () => ({ kind: 'missing', message: 'none' }),
  };
}

function reconcilerOf(cluster: FakeCluster): Reconciler {
  const { object, revisions, routes } = cluster.observe();
  const metadata = { ...object.metadata, finalizers: [FINALIZER] };
  return createReconciler({
    cache: {
      deployment: () => ({ ...object, metadata }),
      deploymentOfUid: () => undefined,
      replicaSetsOf: () => revisions.map(replicaSetOf),
      podsOf: () => [],
      service: () => undefined,
      slicesOf: () => [],
    },
    writes: writes(),
    traffic: {
      read: () => routes,
      carryOut: async () => [{ kind: 'done', route: 'shop', changed: true, atMs: 5 }],
      release: async () => [],
      readBack: async () => ({ atZero: true, message: '' }),
    },
    evidence: {
      watch: () => undefined,
      forget: () => undefined,
      read: () => null,
      arrivedMs: () => null,
      nowMs: () => cluster.nowMs,
      problemOf: () => null,
      checkQueries: () => [],
      release: () => undefined,
      onInteresting: () => undefined,
    },
    clock: { nowMs: () => cluster.nowMs, monotonicMs: () => 0, setTimer: () => () => undefined },
    events: { tell: () => undefined },
    log: () => undefined,
    telling: {
      decided: () => undefined,
      incident: () => undefined,
      trafficMoved: () => undefined,
    },
  });
}

describe('a status that somebody else wrote first', () => {
  it('while traffic is taken away is looked at again urgently, and never later', async () => {
    const cluster = new FakeCluster(spec);
    canaryInTraffic(cluster);
    breaching(cluster, 7);
    cluster.settle();
    cluster.route.canaryWeight = 20;
    const reconciler = reconcilerOf(cluster);
    for (let i = 0; i < 5; i++) {
      expect(await reconciler.reconcile('mesh/shop')).to.deep.equal({
        result: 'conflict',
        lookAgainMs: 50,
        urgent: true,
      });
    }
  });

  it('is left to the back-off of the queue while none is', async () => {
    const reconciler = reconcilerOf(new FakeCluster(spec));
    expect(await reconciler.reconcile('mesh/shop')).to.deep.equal({
      result: 'failed',
      lookAgainMs: null,
      urgent: false,
    });
  });
});
