// The resources the operator reads or writes, and the paths under which the API server has them.
// It knows names only; what the objects mean is told elsewhere.
import { GROUP, KIND, PLURAL, VERSION } from '../api/names.ts';
import type { KubeObject } from './port.ts';

/** A resource of the API; `group` is '' for the core group. */
export interface GroupVersionResource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
}

export const x0ttaDeployments: GroupVersionResource = {
  group: GROUP,
  version: VERSION,
  plural: PLURAL,
  kind: KIND,
};

export const replicaSets: GroupVersionResource = {
  group: 'apps',
  version: 'v1',
  plural: 'replicasets',
  kind: 'ReplicaSet',
};

export const pods: GroupVersionResource = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
};

export const services: GroupVersionResource = {
  group: '',
  version: 'v1',
  plural: 'services',
  kind: 'Service',
};

export const events: GroupVersionResource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
};

export const endpointSlices: GroupVersionResource = {
  group: 'discovery.k8s.io',
  version: 'v1',
  plural: 'endpointslices',
  kind: 'EndpointSlice',
};

export const leases: GroupVersionResource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
};

export const httpRoutes: GroupVersionResource = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  plural: 'httproutes',
  kind: 'HTTPRoute',
};

export const grpcRoutes: GroupVersionResource = {
  group: 'gateway.networking.k8s.io',
  version: 'v1',
  plural: 'grpcroutes',
  kind: 'GRPCRoute',
};

/** By kind, as the spec names them. */
export const routeResources = { HTTPRoute: httpRoutes, GRPCRoute: grpcRoutes } as const;

/** `group/version`, or the version alone for the core group: an object's `apiVersion`. */
export function apiVersionOf(gvr: GroupVersionResource): string {
  return gvr.group === '' ? gvr.version : `${gvr.group}/${gvr.version}`;
}

/**
 * The path of a collection (all namespaces when `namespace` is left out), of one object, or of its
 * subresource. Every segment is escaped. Throws on a segment that would name another path.
 */
export function resourcePath(
  gvr: GroupVersionResource,
  namespace?: string,
  name?: string,
  subresource?: string,
): string {
  const segments = gvr.group === '' ? ['api'] : ['apis', gvr.group];
  segments.push(gvr.version);
  if (namespace !== undefined) segments.push('namespaces', namespace);
  segments.push(gvr.plural);
  if (name !== undefined) segments.push(name);
  if (subresource !== undefined) {
    if (name === undefined) throw new Error(`subresource ${subresource} needs an object's name`);
    segments.push(subresource);
  }
  return segments.map(escapeSegment).join('');
}

function escapeSegment(segment: string): string {
  if (segment === '' || segment === '.' || segment === '..') {
    throw new Error(`${JSON.stringify(segment)} can't be a segment of a resource's path`);
  }
  return `/${encodeURIComponent(segment)}`;
}

/**
 * `namespace/name`, or the name alone of an object of the cluster: the key of stores and queues.
 */
export function objectKey(object: KubeObject): string {
  return keyOf(object.metadata.namespace, object.metadata.name);
}

/** The key of an object known by its names. */
export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

/**
 * The version as a number: of one resource, they are compared as numbers, which is allowed since
 * Kubernetes 1.35 (KEP-5504). Throws on anything else than decimal digits.
 */
export function parseResourceVersion(resourceVersion: string): bigint {
  if (!/^\d+$/.test(resourceVersion)) {
    throw new Error(`resourceVersion ${JSON.stringify(resourceVersion)} is no number`);
  }
  return BigInt(resourceVersion);
}
