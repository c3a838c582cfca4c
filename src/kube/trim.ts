// What the caches keep of each kind of object: what somebody reads, and no more, since a fleet's
// objects are most of the operator's memory. It changes no meaning of what it keeps.
import { FIELD_MANAGER } from '../api/names.ts';
import type { X0ttaDeployment } from '../api/schema.ts';
import type { BackendRef, HttpRoute, ManagedFields } from '../traffic/httpRoute.ts';
import type {
  ContainerStatus,
  EndpointSlice,
  KubeObject,
  ObjectMeta,
  Pod,
  ReplicaSet,
  Service,
} from './port.ts';

type Kept<T> = T & KubeObject;

/** Fields that are undefined take no room. */
function present<T extends object>(fields: T): T {
  const kept = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as T;
}

function metaOf(metadata: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, generation } = metadata;
  const { creationTimestamp, deletionTimestamp, labels, annotations, finalizers } = metadata;
  const ownerReferences = metadata.ownerReferences?.map((owner) => {
    const { apiVersion, kind, name: ownerName, uid: ownerUid, controller } = owner;
    return present({ apiVersion, kind, name: ownerName, uid: ownerUid, controller });
  });
  return present({
    name,
    namespace,
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    deletionTimestamp,
    labels,
    annotations,
    finalizers,
    ownerReferences,
  }) as ObjectMeta;
}

/** Without the annotations and labels that nobody reads on objects of this kind. */
function plainMetaOf(metadata: ObjectMeta): ObjectMeta {
  const { annotations: _, labels: __, ...rest } = metaOf(metadata);
  return rest;
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

export function trimDeployment(object: Kept<X0ttaDeployment>): Kept<X0ttaDeployment> {
  const metadata = metaOf(object.metadata);
  const { [lastApplied]: _, ...annotations } = metadata.annotations ?? {};
  return { ...object, metadata: { ...metadata, annotations } } as Kept<X0ttaDeployment>;
}

export function trimReplicaSet(object: ReplicaSet): ReplicaSet {
  const { apiVersion, kind, metadata, spec, status } = object;
  const containers = spec.template?.spec['containers'];
  const images = Array.isArray(containers)
    ? containers.map(({ image }: { readonly image?: unknown }) => ({ image }))
    : [];
  const template = { metadata: { labels: {} }, spec: { containers: images } };
  const { replicas, availableReplicas, conditions } = status ?? {};
  return {
    ...present({ apiVersion, kind }),
    metadata: metaOf(metadata),
    spec: present({ replicas: spec.replicas, template }),
    status: present({ replicas, availableReplicas, conditions }),
  } as ReplicaSet;
}

function containerOf({ name, restartCount, state, lastState }: ContainerStatus): ContainerStatus {
  const running = state?.waiting === undefined && state?.terminated === undefined;
  const before = lastState?.terminated === undefined ? undefined : lastState;
  return present({
    name,
    restartCount,
    state: running ? undefined : state,
    lastState: before,
  }) as ContainerStatus;
}

const conditionsOfPods: ReadonlySet<string> = new Set(['Ready', 'PodScheduled']);

export function trimPod({ apiVersion, kind, metadata, status }: Pod): Pod {
  return {
    ...present({ apiVersion, kind }),
    metadata: plainMetaOf(metadata),
    status: present({
      phase: status?.phase,
      conditions: status?.conditions?.filter(({ type }) => conditionsOfPods.has(type)),
      containerStatuses: status?.containerStatuses?.map(containerOf),
      initContainerStatuses: status?.initContainerStatuses?.map(containerOf),
    }),
  } as Pod;
}

export function trimService(object: Service): Service {
  const { apiVersion, kind, metadata, spec } = object;
  const { selector, ports } = spec;
  return {
    ...present({ apiVersion, kind }),
    metadata: plainMetaOf(metadata),
    spec: present({ selector, ports }),
  } as Service;
}

export function trimSlice(object: EndpointSlice): EndpointSlice {
  const { apiVersion, kind, metadata, endpoints } = object;
  const { annotations: _, ...kept } = metaOf(metadata);
  return {
    ...present({ apiVersion, kind }),
    metadata: kept,
    endpoints: (endpoints ?? []).map(({ conditions, targetRef }) =>
      present({
        conditions: conditions === undefined ? undefined : present({ ready: conditions.ready }),
        targetRef:
          targetRef === undefined
            ? undefined
            : present({ kind: targetRef.kind, name: targetRef.name }),
      }),
    ),
  } as EndpointSlice;
}

function backendOf({ group, kind, namespace, name, port, weight }: BackendRef): BackendRef {
  return present({ group, kind, namespace, name, port, weight }) as BackendRef;
}

/**
 * Who has the rules, so that one who overwrites weights can be named, and which entries are the
 * operator's own.
 */
function managersOf({ managedFields = [] }: HttpRoute['metadata']): ManagedFields[] {
  return managedFields.flatMap((entry, index) => {
    const { manager, subresource = '', time, fieldsV1 } = entry;
    const hasRules = fieldsV1?.['f:spec']?.['f:rules'] !== undefined;
    // What was trimmed before, as streamed lists are, knows its place.
    const place = manager === FIELD_MANAGER ? (entry.place ?? index) : undefined;
    if (subresource !== '' || (!hasRules && place === undefined)) return [];
    const kept = present({ place, manager, time });
    return [hasRules ? { ...kept, fieldsV1: { 'f:spec': { 'f:rules': {} } } } : kept];
  }) as ManagedFields[];
}

export function trimRoute(object: HttpRoute): HttpRoute {
  const { apiVersion, kind, metadata, spec, status } = object;
  const rules = spec.rules?.map(({ backendRefs }) =>
    present({ backendRefs: backendRefs?.map(backendOf) }),
  );
  return {
    ...present({ apiVersion, kind }),
    metadata: { ...metaOf(metadata), managedFields: managersOf(metadata) },
    spec: present({ rules }),
    ...present({ status }),
  } as HttpRoute;
}
