// The operator's writes to the API server, each conditional on what it was decided upon. Every
// answer goes into the caches; a failure becomes a named result, and nothing is tried twice.
import { FIELD_MANAGER, OBJECT_LABEL } from '../api/names.ts';
import type { X0ttaDeployment } from '../api/schema.ts';
import { failureReason, isConflict, isNotFound, KubeError } from './errors.ts';
import type {
  ClusterWrites,
  KubeObject,
  NewObject,
  Precondition,
  ReplicaSet,
  Service,
  WriteResult,
} from './port.ts';
import { replicaSets, resourcePath, services, x0ttaDeployments } from './resources.ts';
import type { KubeClient, KubeRequest } from './transport.ts';

/** Takes the object that a write returned. */
export interface OwnWrites<T> {
  applyOwnWrite(object: T): void;
}

export interface WritesOptions {
  readonly client: Pick<KubeClient, 'request'>;
  readonly deployments: OwnWrites<X0ttaDeployment & KubeObject>;
  readonly replicaSets: OwnWrites<ReplicaSet>;
  readonly services: OwnWrites<Service>;
}

const query = { fieldManager: FIELD_MANAGER };

type Send = <T extends KubeObject>(
  request: KubeRequest,
  store: OwnWrites<T> | null,
) => Promise<WriteResult<T>>;

export function createWrites(options: WritesOptions): ClusterWrites {
  const { client, deployments } = options;
  const send = async <T extends KubeObject>(
    request: KubeRequest,
    store: OwnWrites<T> | null,
  ): Promise<WriteResult<T>> => {
    try {
      const object = await client.request<T>(request);
      store?.applyOwnWrite(object);
      return { kind: 'done', object };
    } catch (error) {
      return resultOf(error);
    }
  };
  const patch = <T extends KubeObject>(
    gvr: typeof replicaSets,
    which: Precondition,
    operation: JsonPatchOperation,
    store: OwnWrites<T>,
    subresource?: string,
  ): Promise<WriteResult<T>> => {
    const path = resourcePath(gvr, which.namespace, which.name, subresource);
    const body = [...tests(which), operation];
    return send({ method: 'PATCH', path, query, patch: 'json', body }, store);
  };
  return {
    ...replicaSetWrites(send, options.replicaSets),
    createService: (body) => create(send, services, body, options.services),
    selectPods: (which, value) => {
      const operation = { op: 'replace', path: '/spec/selector', value } as const;
      return patch(services, which, operation, options.services);
    },
    orphan: (kind, { namespace, name, uid }, ownerUid) => {
      const ownerReferences = [{ $patch: 'delete', uid: ownerUid }];
      const body = { metadata: { uid, ownerReferences } };
      const gvr = kind === 'ReplicaSet' ? replicaSets : services;
      const path = resourcePath(gvr, namespace, name);
      return send({ method: 'PATCH', path, query, patch: 'strategic', body }, null);
    },
    writeFinalizers: (which, value) => {
      const operation = { op: 'add', path: '/metadata/finalizers', value } as const;
      return patch(x0ttaDeployments, which, operation, deployments);
    },
    writeStatus: (which, value) => {
      const operation = { op: 'add', path: '/status', value } as const;
      return patch(x0ttaDeployments, which, operation, deployments, 'status');
    },
    readService: (namespace, name) =>
      send<Service>({ method: 'GET', path: resourcePath(services, namespace, name) }, null),
  };
}

function create<T extends KubeObject>(
  send: Send,
  gvr: typeof replicaSets,
  body: NewObject,
  store: OwnWrites<T>,
): Promise<WriteResult<T>> {
  const path = resourcePath(gvr, body.metadata.namespace);
  const strict = { ...query, fieldValidation: 'Strict' };
  return send({ method: 'POST', path, query: strict, body }, store);
}

type ReplicaSetWrites = Pick<
  ClusterWrites,
  'createReplicaSet' | 'patchReplicaSet' | 'deleteReplicaSet'
>;

function replicaSetWrites(send: Send, store: OwnWrites<ReplicaSet>): ReplicaSetWrites {
  return {
    createReplicaSet: async (body) => {
      const result = await create(send, replicaSets, body, store);
      if (result.kind !== 'conflict') return result;
      // The name is taken: by our own earlier write, whose answer was lost, or by a stranger.
      const { namespace, name } = body.metadata;
      const path = resourcePath(replicaSets, namespace, name);
      const there = await send<ReplicaSet>({ method: 'GET', path }, null);
      if (there.kind !== 'done') return result;
      const why = whyTaken(there.object, body);
      if (why !== null) return { kind: 'taken', message: `ReplicaSet ${name} ${why}` };
      store.applyOwnWrite(there.object);
      return result;
    },
    patchReplicaSet: (which, annotations, replicas) => {
      const { namespace, name, uid, resourceVersion } = which;
      const metadata = {
        uid,
        annotations,
        ...(resourceVersion === null ? {} : { resourceVersion }),
      };
      const body = { metadata, ...(replicas === undefined ? {} : { spec: { replicas } }) };
      const path = resourcePath(replicaSets, namespace, name);
      return send({ method: 'PATCH', path, query, patch: 'merge', body }, store);
    },
    deleteReplicaSet: async ({ namespace, name, uid, resourceVersion }) => {
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: 'Background',
        preconditions: { uid, ...(resourceVersion === null ? {} : { resourceVersion }) },
      };
      const path = resourcePath(replicaSets, namespace, name);
      const result = await send<KubeObject>({ method: 'DELETE', path, body }, null);
      return result.kind === 'done' ? { kind: 'done', object: null } : result;
    },
  };
}

/** What a person has to do about it; null for one of ours that the watches will show. */
function whyTaken({ metadata }: ReplicaSet, body: NewObject): string | null {
  const wanted = body.metadata.ownerReferences?.[0]?.uid;
  if (metadata.ownerReferences?.some(({ uid }) => uid === wanted) !== true) {
    return "is not this object's. Delete it when it is not needed, or change the template.";
  }
  if (metadata.labels?.[OBJECT_LABEL] !== undefined) return null;
  return `lost its label ${OBJECT_LABEL} and is not seen. Give it back: its pods serve.`;
}

interface JsonPatchOperation {
  readonly op: 'add' | 'replace' | 'test';
  readonly path: string;
  readonly value: unknown;
}

function tests({ uid, resourceVersion }: Precondition): JsonPatchOperation[] {
  const list: JsonPatchOperation[] = [{ op: 'test', path: '/metadata/uid', value: uid }];
  if (resourceVersion !== null) {
    list.push({ op: 'test', path: '/metadata/resourceVersion', value: resourceVersion });
  }
  return list;
}

function resultOf(error: unknown): Exclude<WriteResult<never>, { kind: 'done' }> {
  const { message } = error instanceof Error ? error : new Error(String(error));
  if (isNotFound(error)) return { kind: 'missing', message };
  if (isConflict(error) || isOtherUid(error)) return { kind: 'conflict', message };
  if (isRefusal(error)) return { kind: 'refused', message };
  const reason = failureReason(error);
  return { kind: 'failed', reason, error: error instanceof Error ? error : new Error(message) };
}

/** A merge patch with the UID of an object that was deleted and made anew. */
function isOtherUid(error: unknown): boolean {
  return error instanceof KubeError && error.causes.some(({ field }) => field === 'metadata.uid');
}

/** Only these two mean that the object itself can't be taken (api.md, "Rules"). */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return (
    error.status === 422 || (error.status === 400 && error.message.includes('strict decoding'))
  );
}
