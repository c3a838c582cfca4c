// The port of the cluster: what the operator reads from its caches and the writes it knows. Shapes
// only; cluster.ts and writes.ts fill them.
import type { Status, Template, X0ttaDeployment } from '../api/schema.ts';

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** Metadata as the API server returns it. Times are RFC 3339 strings. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

/** What every object the API server returns has in common. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

interface ConditionOf {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export interface ReplicaSet extends KubeObject {
  readonly spec: { readonly replicas?: number; readonly template?: Template };
  readonly status?: {
    readonly replicas?: number;
    readonly availableReplicas?: number;
    readonly conditions?: readonly ConditionOf[];
  };
}

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly finishedAt?: string };
}

export interface ContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export interface Pod extends KubeObject {
  readonly status?: {
    /** Pending, Running, Succeeded, Failed or Unknown. */
    readonly phase?: string;
    readonly conditions?: readonly ConditionOf[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  readonly protocol?: string;
  readonly appProtocol?: string;
  readonly targetPort?: number | string;
}

export interface Service extends KubeObject {
  readonly spec: {
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly ServicePort[];
  };
}

export interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly {
    readonly conditions?: { readonly ready?: boolean };
    readonly targetRef?: { readonly kind?: string; readonly name?: string };
  }[];
}

/** What the watches have brought, with our own writes in it. It asks nobody. */
export interface ClusterCache {
  /** By namespace/name. */
  deployment(key: string): X0ttaDeployment | undefined;
  deploymentOfUid(uid: string): X0ttaDeployment | undefined;
  replicaSetsOf(ownerUid: string): readonly ReplicaSet[];
  podsOf(replicaSetUid: string): readonly Pod[];
  /** One of the operator's own services. */
  service(namespace: string, name: string): Service | undefined;
  slicesOf(namespace: string, service: string): readonly EndpointSlice[];
}

/** What became of a write. None of these rejects. */
export type WriteResult<T> =
  | { readonly kind: 'done'; readonly object: T }
  /** The object is not what the write assumed, or the name is taken: look again. */
  | { readonly kind: 'conflict'; readonly message: string }
  | { readonly kind: 'missing'; readonly message: string }
  /** A create whose name belongs to somebody else's object. */
  | { readonly kind: 'taken'; readonly message: string }
  /** The server will never take it: a 422, or a strict-decoding 400; its own words. */
  | { readonly kind: 'refused'; readonly message: string }
  /** `reason`: the server's own word, Network for no answer, NotLeading if not sent, or Other. */
  | { readonly kind: 'failed'; readonly reason: string; readonly error: Error };

/** An object to create: everything but what the server fills in. */
export interface NewObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>> & {
    readonly name: string;
    readonly namespace: string;
    readonly ownerReferences?: readonly OwnerReference[];
  };
  readonly spec: unknown;
}

/** Which object a write means; without resourceVersion it holds for any state of that object. */
export interface Precondition {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string | null;
}

/** The writes of the operator besides the routes'. Answers go into the cache. */
export interface ClusterWrites {
  /** With strict field validation: a wrong template is refused in the server's words. */
  createReplicaSet(body: NewObject): Promise<WriteResult<ReplicaSet>>;
  /** Annotations to set, or to remove where null; replicas as well when given. */
  patchReplicaSet(
    which: Precondition,
    annotations: Readonly<Record<string, string | null>>,
    replicas?: number,
  ): Promise<WriteResult<ReplicaSet>>;
  deleteReplicaSet(which: Precondition): Promise<WriteResult<null>>;
  createService(body: NewObject): Promise<WriteResult<Service>>;
  selectPods(
    which: Precondition,
    selector: Readonly<Record<string, string>>,
  ): Promise<WriteResult<Service>>;
  /** Takes one owner's reference off, and no other. */
  orphan(
    kind: 'ReplicaSet' | 'Service',
    which: Precondition,
    ownerUid: string,
  ): Promise<WriteResult<unknown>>;
  writeFinalizers(
    which: Precondition,
    finalizers: readonly string[],
  ): Promise<WriteResult<X0ttaDeployment>>;
  writeStatus(which: Precondition, status: Status): Promise<WriteResult<X0ttaDeployment>>;
  /** Any service, live; 'missing' when there is none. */
  readService(namespace: string, name: string): Promise<WriteResult<Service>>;
}

/** What an Event says; longer texts are cut. */
export interface EventRecord {
  readonly type: 'Normal' | 'Warning';
  /** PascalCase, up to 128 bytes. */
  readonly reason: string;
  /** What was done, PascalCase, up to 128 bytes. */
  readonly action: string;
  /** A sentence, up to 1 kB. */
  readonly note: string;
}

/** Tells people what happened to an object; never waits, never fails. */
export interface EventPort {
  /** Returns at once; drops the event, with a line in the log, when too many wait. */
  tell(object: X0ttaDeployment, event: EventRecord): void;
}
