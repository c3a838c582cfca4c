// Objects of the API server as the views that core judges. It reads fields and asks nobody.
import { HASH_ANNOTATION, KIND, REVISION_LABEL } from '../api/names.ts';
import type { Template, X0ttaDeployment } from '../api/schema.ts';
import type {
  ContainerView,
  EndpointsView,
  PodView,
  RevisionView,
  ServiceView,
  TimeMs,
  UserServiceView,
} from '../core/model.ts';
import type { ContainerStatus, EndpointSlice, Pod, ReplicaSet, Service } from '../kube/port.ts';
import { readRecord, timeOf } from './record.ts';

/** Waiting reasons of a container whose image can't be had. */
const imageReasons: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
]);

/** True when a container of the pod waits for an image that can't be had. */
export function failsToPull(pod: Pod): boolean {
  return containersOf(pod).some(({ state }) => imageReasons.has(state?.waiting?.reason ?? ''));
}

/**
 * A pod that ended before its containers began (evicted, say) tells for ever what they waited for,
 * and a ReplicaSet that is scaled to 0 leaves it behind: what has ended waits for nothing.
 */
function containersOf({ status }: Pod): readonly ContainerStatus[] {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const { phase } = status ?? {};
  if (phase !== 'Failed' && phase !== 'Succeeded') return all;
  return all.map((container) => {
    const { waiting: _, ...state } = container.state ?? {};
    return { ...container, state };
  });
}

export function revisionView(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  imageFailingSince: (podUid: string) => TimeMs | null,
): RevisionView {
  const { metadata, spec, status } = replicaSet;
  const views = pods.map((pod) => podView(pod, imageFailingSince(pod.metadata.uid)));
  const ready = views.filter((pod) => pod.ready && !pod.terminating).length;
  const failure = status?.conditions?.find(
    (condition) => condition.type === 'ReplicaFailure' && condition.status === 'True',
  );
  return {
    revision: metadata.labels?.[REVISION_LABEL] ?? '',
    hash: metadata.annotations?.[HASH_ANNOTATION] ?? '',
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdAtMs: timeOf(metadata.creationTimestamp) ?? 0,
    deleting: metadata.deletionTimestamp !== undefined,
    replicas: spec.replicas ?? 1,
    available: Math.min(status?.availableReplicas ?? 0, ready),
    current: status?.replicas ?? 0,
    images: imagesOf(spec.template),
    failure: failure === undefined ? null : (failure.message ?? failure.reason ?? 'unknown'),
    record: readRecord(metadata.annotations),
    pods: views,
  };
}

function imagesOf(template: Template | undefined): string[] {
  const containers = template?.spec['containers'];
  if (!Array.isArray(containers)) return [];
  return containers.flatMap((container: { readonly image?: unknown }) =>
    typeof container.image === 'string' ? [container.image] : [],
  );
}

function podView(pod: Pod, imageFailingSinceMs: TimeMs | null): PodView {
  const { metadata, status } = pod;
  const condition = (type: string) => status?.conditions?.find((each) => each.type === type);
  const ready = condition('Ready');
  const scheduled = condition('PodScheduled');
  const sinceMs = timeOf(ready?.lastTransitionTime);
  const isReady = ready?.status === 'True';
  return {
    name: metadata.name,
    uid: metadata.uid,
    createdAtMs: timeOf(metadata.creationTimestamp) ?? 0,
    ready: isReady,
    readySinceMs: isReady ? sinceMs : null,
    notReadySinceMs: isReady ? null : sinceMs,
    terminating: metadata.deletionTimestamp !== undefined,
    unschedulable:
      scheduled?.status === 'False' && scheduled.reason === 'Unschedulable'
        ? (scheduled.message ?? 'unschedulable')
        : null,
    imageFailingSinceMs,
    containers: containersOf(pod).map(containerView),
  };
}

function containerView({ name, restartCount, state, lastState }: ContainerStatus): ContainerView {
  const terminated = state?.terminated ?? lastState?.terminated;
  return {
    name,
    restartCount: restartCount ?? 0,
    waitingReason: state?.waiting?.reason ?? null,
    waitingMessage: state?.waiting?.message ?? null,
    terminatedReason: terminated?.reason ?? null,
    terminatedAtMs: timeOf(terminated?.finishedAt),
  };
}

/** A service of a name that the operator needs, whoever it belongs to. */
export function serviceView(service: Service, object: X0ttaDeployment): ServiceView {
  const { metadata, spec } = service;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return {
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    revision: spec.selector?.[REVISION_LABEL] ?? null,
    owned: owner?.uid === object.metadata.uid,
    ownerName: owner === undefined ? null : `${owner.kind} ${owner.name}`,
  };
}

export function userServiceView(service: Service, object: X0ttaDeployment): UserServiceView {
  const { selector = {}, ports = [] } = service.spec;
  const labels: Readonly<Record<string, string>> = object.spec.template.metadata.labels;
  const pairs = Object.entries(selector);
  return {
    port: ports[0]?.port ?? null,
    reachesPods: pairs.length > 0 && pairs.every(([name, value]) => labels[name] === value),
  };
}

/** Ready addresses by pod; one that no pod stands behind is counted without a name. */
export function endpointsView(slices: readonly EndpointSlice[]): EndpointsView {
  const pods = new Set<string>();
  let nameless = 0;
  for (const { conditions, targetRef } of slices.flatMap(({ endpoints }) => endpoints ?? [])) {
    if (conditions?.ready === false) continue;
    if (targetRef?.kind === 'Pod' && targetRef.name !== undefined) pods.add(targetRef.name);
    else nameless++;
  }
  // An address without a pod is nobody's: the empty name belongs to no revision.
  return { ready: pods.size, pods: nameless === 0 ? [...pods] : [...pods, ''] };
}

/** True when the object's controller is an X0ttaDeployment of this UID. */
export function isOwnedBy({ metadata }: ReplicaSet, uid: string): boolean {
  return (
    metadata.ownerReferences?.some(
      (owner) => owner.controller === true && owner.kind === KIND && owner.uid === uid,
    ) ?? false
  );
}
