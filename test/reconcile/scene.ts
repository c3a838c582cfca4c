// The cluster in memory as the caches of the operator would hold it, with a reconciler on them and
// what that one told. Writes are taken and change nothing: each pass sees what the test set up.
import type { Status, X0ttaDeployment } from '../../src/api/schema.ts';
import * as names from '../../src/api/names.ts';
import type { EndpointsView, PodView, Problem, RevisionView } from '../../src/core/model.ts';
import { rfc3339 } from '../../src/core/text.ts';
import type { EndpointSlice, ObjectMeta, Pod, ReplicaSet } from '../../src/kube/port.ts';
import type { OwnerReference, Service, WriteResult } from '../../src/kube/port.ts';
import { ObjectMemory } from '../../src/reconcile/memory.ts';
import { createReconciler } from '../../src/reconcile/reconciler.ts';
import type { PassResult } from '../../src/reconcile/nextLook.ts';
import type { ReconcilePorts } from '../../src/reconcile/reconciler.ts';
import { writeRecord } from '../../src/reconcile/record.ts';
import type { QueryReport } from '../../src/sources/port.ts';
import type { RouteOutcome } from '../../src/traffic/port.ts';
import type { FakeCluster } from '../core/fakeCluster.ts';
import { FakeClock } from '../runtime/fakeClock.ts';

const done = async (): Promise<WriteResult<never>> => ({
  kind: 'done',
  object: undefined as never,
});

export class Scene {
  readonly cluster: FakeCluster;
  readonly clock: FakeClock;
  /** The revision of the object's template. */
  readonly revision: string;
  readonly decided: string[] = [];
  readonly incidents: string[] = [];
  readonly movedSeconds: number[] = [];
  readonly statuses: Status[] = [];
  /** Why statuses could not be written. */
  readonly statusFailures: string[] = [];
  /** Why weights of routes could not be written. */
  readonly routeFailures: string[] = [];
  /** What the routes answer to new weights. */
  moveRoutes: () => Promise<readonly RouteOutcome[]> = async () => [];
  /** What the routes answer when their fields are handed back. */
  handBackRoutes: () => Promise<readonly RouteOutcome[]> = async () => [];
  /** What the API server answers to a new status. */
  takeStatus: () => Promise<WriteResult<never>> = done;
  arrivedMs: number | null = null;
  readonly logged: string[] = [];
  /** The reasons of the Events. */
  readonly told: string[] = [];
  /** What the operator can't carry out, which the cluster in memory would not take. */
  invalidEdit: Partial<X0ttaDeployment['spec']> = {};
  /** Why the metric server can't do what the policy asks. */
  serverProblem: Problem | null = null;
  /** What is known of the object's own queries. */
  reports: readonly QueryReport[] = [];
  readonly #hash: string;
  readonly #reconciler: ReturnType<typeof createReconciler>;

  /** The clock goes on from the cluster's time when `begin` has brought that where it is to be. */
  constructor(cluster: FakeCluster, begin: (revision: string) => void) {
    this.cluster = cluster;
    const { revision, hash } = new ObjectMemory('').desiredOf(cluster.observe().object);
    [this.revision, this.#hash] = [revision, hash];
    begin(revision);
    this.clock = new FakeClock(cluster.nowMs);
    this.#reconciler = createReconciler(this.#ports());
  }

  pass(): Promise<PassResult> {
    return this.#reconciler.reconcile('mesh/shop');
  }

  #ports(): ReconcilePorts {
    const { cluster, clock } = this;
    return {
      cache: {
        deployment: () => this.#object(),
        deploymentOfUid: () => undefined,
        replicaSetsOf: () => cluster.observe().revisions.map((view) => this.#replicaSet(view)),
        podsOf: (uid) => {
          const view = cluster.observe().revisions.find((each) => each.uid === uid);
          return (view?.pods ?? []).map(podOf);
        },
        service: (_, name) => serviceOf(name, cluster.services[roleIn(name)]),
        slicesOf: (_, name) => {
          const { stableEndpoints, canaryEndpoints } = cluster.observe();
          return [sliceOf(roleIn(name) === 'stable' ? stableEndpoints : canaryEndpoints)];
        },
      },
      writes: this.#writes(),
      traffic: {
        read: () => cluster.observe().routes,
        carryOut: () => this.moveRoutes(),
        release: async () => [],
        handBack: () => this.handBackRoutes(),
        readBack: async () => ({ atZero: true, message: '' }),
      },
      evidence: {
        watch: () => undefined,
        forget: () => undefined,
        read: () => cluster.evidence,
        arrivedMs: () => this.arrivedMs,
        nowMs: () => clock.nowMs(),
        problemOf: () => this.serverProblem,
        checkQueries: () => this.reports,
        release: () => undefined,
        onInteresting: () => undefined,
      },
      clock,
      events: { tell: (_, { reason }) => void this.told.push(reason) },
      log: (_, message) => void this.logged.push(message),
      telling: {
        decided: (check) => void this.decided.push(check),
        incident: (alert) => void this.incidents.push(alert),
        trafficMoved: (seconds) => void this.movedSeconds.push(seconds),
        statusFailed: (reason) => void this.statusFailures.push(reason),
        routeFailed: (reason) => void this.routeFailures.push(reason),
      },
    };
  }

  #writes(): ReconcilePorts['writes'] {
    return {
      createReplicaSet: done,
      patchReplicaSet: done,
      deleteReplicaSet: done,
      createService: done,
      selectPods: done,
      orphan: done,
      writeFinalizers: done,
      writeStatus: (_, status) => {
        this.statuses.push(status);
        return this.takeStatus();
      },
      readService: async (_, name) => ({ kind: 'done', object: serviceOf(name, null) }),
    };
  }

  #object(): ReturnType<ReconcilePorts['cache']['deployment']> {
    const { object } = this.cluster.observe();
    return {
      ...object,
      spec: { ...object.spec, ...this.invalidEdit },
      metadata: { ...object.metadata, finalizers: [names.FINALIZER] },
    };
  }

  #replicaSet(view: RevisionView): ReplicaSet {
    const { name, uid, revision, record, replicas, current, available } = view;
    const noted = Object.entries(writeRecord(record)).flatMap(([key, value]) =>
      value === null ? [] : [[key, value] as const],
    );
    const hash = revision === this.revision ? this.#hash : view.hash;
    return {
      metadata: {
        ...metadataOf(name, uid, view.createdAtMs),
        labels: { [names.REVISION_LABEL]: revision },
        annotations: { ...Object.fromEntries(noted), [names.HASH_ANNOTATION]: hash },
      },
      spec: { replicas },
      status: { replicas: current, availableReplicas: available },
    };
  }
}

const owner: OwnerReference = {
  apiVersion: names.API_VERSION,
  kind: names.KIND,
  name: 'shop',
  uid: 'uid-shop',
  controller: true,
};

function metadataOf(name: string, uid: string, createdAtMs: number): ObjectMeta {
  return {
    name,
    namespace: 'mesh',
    uid,
    resourceVersion: '7',
    creationTimestamp: rfc3339(createdAtMs),
    ownerReferences: [owner],
  };
}

function podOf({ name, uid, createdAtMs, ready, containers, ...since }: PodView): Pod {
  const sinceMs = since.readySinceMs ?? since.notReadySinceMs ?? createdAtMs;
  const condition = {
    type: 'Ready',
    status: ready ? 'True' : 'False',
    lastTransitionTime: rfc3339(sinceMs),
  };
  return {
    metadata: metadataOf(name, uid, createdAtMs),
    status: {
      conditions: [condition],
      containerStatuses: containers.map(({ name: container, restartCount, waitingReason }) => ({
        name: container,
        restartCount,
        state: waitingReason === null ? {} : { waiting: { reason: waitingReason } },
      })),
    },
  };
}

function roleIn(service: string): 'stable' | 'canary' {
  return service.endsWith('-stable') ? 'stable' : 'canary';
}

function serviceOf(name: string, revision: string | null): Service {
  const selector = revision === null ? {} : { [names.REVISION_LABEL]: revision };
  return { metadata: metadataOf(name, name, 0), spec: { selector, ports: [{ port: 80 }] } };
}

function sliceOf({ pods }: EndpointsView): EndpointSlice {
  const endpoints = pods.map((name) => ({ targetRef: { kind: 'Pod', name } }));
  return { metadata: metadataOf('slice', 'slice', 0), endpoints };
}
