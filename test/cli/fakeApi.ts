// As much of an API server as the operator asks for at its start: version, discovery, the published
// schema, empty lists as streams, and one Lease. What it serves, the test changes as it goes on.
import { rootSchema } from '../../src/api/crd.ts';
import { GROUP, KIND, VERSION } from '../../src/api/names.ts';
import { beginWatch, FakeServer, reply, replyStatus, sendEvent } from '../kube/fakeServer.ts';
import type { Received } from '../kube/fakeServer.ts';

interface Lease {
  readonly metadata: object;
  readonly spec: { readonly holderIdentity: string };
}

export class FakeApi {
  readonly server: FakeServer;
  /** Paths that were watched, and method and path of what was written, in order. */
  readonly watched: string[] = [];
  readonly written: string[] = [];
  gitVersion = 'v1.37.2';
  routeKinds: readonly string[] = ['HTTPRoute', 'GRPCRoute'];
  /** The status of the published CRD; null: it is not installed. */
  status: unknown = rootSchema().properties?.['status'];
  /** Paths whose lists are refused. */
  forbidden = /^$/;
  lease: Lease | undefined;
  #version = 1;

  constructor(tls: { readonly key: string; readonly cert: string }) {
    this.server = new FakeServer(tls);
    this.server.answer = (received) => this.#answer(received);
  }

  #answer(received: Received): void {
    const { method, path, query } = received;
    const notFound = (): void => replyStatus(received, 404, 'NotFound', `${path} is not here`);
    if (method !== 'GET') this.written.push(`${method} ${path}`);
    if (path.includes('/leases') && query['watch'] !== 'true') return this.#answerLease(received);
    if (query['watch'] === 'true') return this.#answerWatch(received);
    switch (path) {
      case '/version':
        return reply(received, 200, { gitVersion: this.gitVersion });
      case '/apis/gateway.networking.k8s.io/v1': {
        const resources = this.routeKinds.map((kind) => ({ kind }));
        return resources.length === 0 ? notFound() : reply(received, 200, { resources });
      }
      case `/openapi/v3/apis/${GROUP}/${VERSION}`:
        return this.status === null ? notFound() : reply(received, 200, this.#published());
      case `/apis/${GROUP}/${VERSION}`:
        return this.status === null ? notFound() : reply(received, 200, { resources: [] });
      default:
        notFound();
    }
  }

  #published(): object {
    const kinds = [{ group: GROUP, version: VERSION, kind: KIND }];
    const properties = { status: this.status };
    const schema = { 'x-kubernetes-group-version-kind': kinds, properties };
    return { components: { schemas: { [KIND]: schema } } };
  }

  #answerWatch(received: Received): void {
    const { path } = received;
    if (this.forbidden.test(path)) return replyStatus(received, 403, 'Forbidden', 'not yours');
    this.watched.push(path);
    beginWatch(received);
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    if (path.includes('/leases')) return;
    sendEvent(received, 'BOOKMARK', { metadata: { resourceVersion: '1', annotations } });
  }

  #answerLease(received: Received): void {
    if (received.method === 'GET') {
      if (this.lease === undefined) return replyStatus(received, 404, 'NotFound', 'no lease');
    } else {
      const { metadata, spec } = JSON.parse(received.body) as Lease;
      const resourceVersion = String(this.#version++);
      this.lease = { metadata: { ...metadata, uid: 'lease', resourceVersion }, spec };
    }
    reply(received, 200, this.lease);
  }
}
