// The requests of leader election, as they go to the API server. They are sent, and what they come
// to is judged, in lease.ts.
import type { Clock } from '../runtime/clock.ts';
import { microTime } from './events.ts';
import type { KubeObject } from './port.ts';
import { apiVersionOf, leases, resourcePath } from './resources.ts';
import type { KubeRequest } from './transport.ts';

/** coordination.k8s.io/v1 Lease, as far as it is read here. */
export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** What ends a request that gets no answer. */
export type Bounds = Pick<KubeRequest, 'timeoutMs' | 'signal'>;

export interface LeaseRequestsOptions {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly times: { readonly durationMs: number };
}

export interface LeaseRequests {
  read(bounds: Bounds): KubeRequest;
  /** Takes or renews the lease that was read; a conflict where it is another one by now. */
  write(lease: Lease | undefined, bounds: Bounds): KubeRequest;
  /** Leaves it to nobody, on the same condition. */
  release(lease: Lease, bounds: Bounds): KubeRequest;
}

export function leaseRequests(options: LeaseRequestsOptions): LeaseRequests {
  const { clock, namespace, name, identity, times } = options;
  const path = resourcePath(leases, namespace, name);
  const ahead = true;
  const bodyOf = (metadata: object, spec: Lease['spec']): object => {
    const { kind } = leases;
    return {
      apiVersion: apiVersionOf(leases),
      kind,
      metadata: { name, namespace, ...metadata },
      spec,
    };
  };
  const specFor = (lease: Lease | undefined, holderIdentity: string): Lease['spec'] => {
    const now = microTime(clock.nowMs());
    const before = lease?.spec;
    const changes = before?.holderIdentity !== holderIdentity && holderIdentity !== '';
    return {
      holderIdentity,
      leaseDurationSeconds: Math.ceil(times.durationMs / 1000),
      acquireTime: changes ? now : (before?.acquireTime ?? now),
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (changes ? 1 : 0),
    };
  };
  const put = ({ metadata }: Lease, spec: Lease['spec'], bounds: Bounds): KubeRequest => {
    const { uid, resourceVersion, labels, annotations } = metadata;
    const kept = {
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    const body = bodyOf({ uid, resourceVersion, ...kept }, spec);
    return { method: 'PUT', path, body, ...bounds, ahead };
  };
  return {
    read: (bounds) => ({ method: 'GET', path, ...bounds, ahead }),
    write: (lease, bounds) => {
      const spec = specFor(lease, identity);
      if (lease !== undefined) return put(lease, spec, bounds);
      const all = resourcePath(leases, namespace);
      return { method: 'POST', path: all, body: bodyOf({}, spec), ...bounds, ahead };
    },
    // A duration of 1 s, as client-go writes it: who reads only times sees an end, too.
    release: (lease, bounds) =>
      put(lease, { ...specFor(lease, ''), leaseDurationSeconds: 1 }, bounds),
  };
}
