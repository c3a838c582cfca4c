// HTTPRoutes of an API server in memory: GET and JSON patches, resourceVersions, generations and
// managedFields. The watch is the test's to move: only catchUp tells the store of other writers.
import { errorFromStatus, KubeError } from '../../src/kube/errors.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import { Store } from '../../src/kube/store.ts';
import type { KubeClient, KubeRequest } from '../../src/kube/transport.ts';
import { trimRoute } from '../../src/kube/trim.ts';
import type { HttpRoute } from '../../src/traffic/httpRoute.ts';
import type { PatchOperation } from '../../src/traffic/plan.ts';
import { applyPatch, PatchError } from './jsonPatch.ts';
import { managedFieldsOf } from './managedFields.ts';

const folders =
  /^\/apis\/gateway\.networking\.k8s\.io\/v1\/namespaces\/mesh\/(?:http|grpc)routes\//;

export class FakeRoutes implements Pick<KubeClient, 'request'> {
  readonly store = new Store<HttpRoute>({
    keep: trimRoute,
    strings: new SharedStrings(),
    onListenerError: (error) => {
      throw error;
    },
  });
  /** Methods and names of all requests, in their order: 'PATCH web'. */
  readonly requests: string[] = [];
  readonly patches: (readonly PatchOperation[])[] = [];
  /** Runs before each request is answered; what it throws is the answer. */
  onRequest: (what: string) => void = () => undefined;
  readonly #routes = new Map<string, HttpRoute>();
  #version = 100;

  /** Creates or replaces a route as `manager` would. */
  write(route: HttpRoute, manager = 'kubectl'): void {
    const { name, namespace } = route.metadata;
    const before = this.#routes.get(name);
    const sameSpec = JSON.stringify(before?.spec) === JSON.stringify(route.spec);
    const version = ++this.#version;
    const generation = (before?.metadata.generation ?? 0) + (sameSpec ? 0 : 1);
    const managedFields = managedFieldsOf(before, route, manager, timeOf(version));
    const metadata = {
      ...route.metadata,
      uid: before?.metadata.uid ?? route.metadata.uid,
      ...(namespace === undefined ? {} : { namespace }),
      resourceVersion: String(version),
      generation,
      managedFields,
    };
    this.#routes.set(name, { ...structuredClone(route), metadata });
  }

  /** Changes a route as `manager` would. */
  edit(name: string, change: (route: HttpRoute) => HttpRoute, manager = 'argocd'): void {
    const route = this.live(name);
    if (route === undefined) throw new Error(`there is no route ${name}`);
    this.write(change(structuredClone(route)), manager);
  }

  remove(name: string): void {
    this.#routes.delete(name);
    this.#version++;
  }

  live(name: string): HttpRoute | undefined {
    return this.#routes.get(name);
  }

  /** The store sees all that was written up to now. */
  catchUp(): void {
    this.store.replace([...this.#routes.values()].map(copyOf), String(this.#version));
  }

  request<T>(request: KubeRequest): Promise<T> {
    return Promise.resolve().then(() => this.#answer(request) as T);
  }

  #answer(request: KubeRequest): HttpRoute {
    if (!folders.test(request.path)) throw new Error(`unexpected path ${request.path}`);
    const name = request.path.replace(folders, '');
    const what = `${request.method} ${name}`;
    this.requests.push(what);
    this.onRequest(what);
    const route = this.#routes.get(name);
    if (route === undefined) throw errorFromStatus(404, { reason: 'NotFound' }, false);
    if (request.method === 'GET') return copyOf(route);
    if (request.method !== 'PATCH' || request.patch !== 'json') throw new Error(`no ${what} here`);
    const patch = request.body as readonly PatchOperation[];
    this.patches.push(patch);
    const manager = request.query?.['fieldManager'] ?? 'unknown';
    const next = patched(route, patch);
    const managedFields = managedFieldsOf(route, next, manager, timeOf(this.#version));
    const metadata = { ...next.metadata, managedFields };
    const isSame = JSON.stringify({ ...next, metadata }) === JSON.stringify(route);
    // What changes nothing is not written.
    if (!isSame) this.write(next, manager);
    return copyOf(this.#routes.get(name) ?? route);
  }
}

function patched(route: HttpRoute, patch: readonly PatchOperation[]): HttpRoute {
  try {
    return applyPatch(route, patch);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    const tested = patch.some(({ op }) => op === 'test');
    throw errorFromStatus(422, { reason: 'Invalid', message: error.message }, tested);
  }
}

/** The store freezes what it is given. */
function copyOf(route: HttpRoute): HttpRoute {
  return structuredClone(route);
}

function timeOf(version: number): string {
  return new Date(Date.UTC(2026, 0, 1) + version * 1000).toISOString();
}

/** An error as of a server that is not there. */
export function networkError(): KubeError {
  return new KubeError('connection refused', { kind: 'retryable', status: 0, reason: 'Network' });
}
