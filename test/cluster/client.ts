// A small JSON client of the Kubernetes API for the harness and the tests: one request, or one
// watch, by path. It keeps no cache and retries nothing.
import { createInterface } from 'node:readline';
import { Agent, request } from 'undici';

/** The metadata that the harness reads. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Any Kubernetes object as JSON. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
  readonly [field: string]: unknown;
}

/** One line of a watch. */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

/** An answer of the API server with a status code of 400 or more. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, method: string, path: string, body: string) {
    super(`${method} ${path}: ${status} ${body.slice(0, 500)}`);
    this.status = status;
  }
}

/**
 * Requests by path, for example '/api/v1/namespaces/default/pods'. Every one rejects with an
 * ApiError from 400 on.
 */
export interface ApiClient {
  get<T = KubernetesObject>(path: string): Promise<T>;
  /** Text of an answer that is not JSON, for example of '/readyz'. */
  text(path: string): Promise<string>;
  list<T = KubernetesObject>(path: string): Promise<readonly T[]>;
  create<T = KubernetesObject>(path: string, object: unknown): Promise<T>;
  /** A merge patch (RFC 7396), or a JSON patch (RFC 6902) when `patch` is a list. */
  patch<T = KubernetesObject>(path: string, patch: unknown): Promise<T>;
  delete(path: string, options?: unknown): Promise<void>;
  /** Events until the server ends the watch or the signal aborts it. */
  watch<T = KubernetesObject>(path: string, signal: AbortSignal): AsyncIterable<WatchEvent<T>>;
  close(): Promise<void>;
}

/**
 * A client for the server at `url`, with a bearer token and the PEM text of the server's authority.
 */
export function createClient(url: string, token: string, ca: string): ApiClient {
  const dispatcher = new Agent({ connect: { ca }, bodyTimeout: 0 });
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };

  const send = async (
    method: string,
    path: string,
    body?: unknown,
    type = 'application/json',
  ): Promise<string> => {
    const answer = await request(url + path, {
      method,
      dispatcher,
      headers: body === undefined ? headers : { ...headers, 'content-type': type },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 400) throw new ApiError(answer.statusCode, method, path, text);
    return text;
  };
  const sendJson = async <T>(...args: Parameters<typeof send>): Promise<T> =>
    JSON.parse(await send(...args)) as T;

  async function* watch<T>(path: string, signal: AbortSignal): AsyncIterable<WatchEvent<T>> {
    const target = `${path}${path.includes('?') ? '&' : '?'}watch=true`;
    const answer = await request(url + target, { method: 'GET', dispatcher, headers, signal });
    if (answer.statusCode >= 400)
      throw new ApiError(answer.statusCode, 'GET', target, await answer.body.text());
    for await (const line of createInterface({ input: answer.body }))
      yield JSON.parse(line) as WatchEvent<T>;
  }

  return {
    get: (path) => sendJson('GET', path),
    text: (path) => send('GET', path),
    list: async <T>(path: string) => (await sendJson<{ items: readonly T[] }>('GET', path)).items,
    create: (path, object) => sendJson('POST', path, object),
    patch: (path, patch) =>
      sendJson(
        'PATCH',
        path,
        patch,
        `application/${Array.isArray(patch) ? 'json-patch' : 'merge-patch'}+json`,
      ),
    delete: async (path, options) => void (await send('DELETE', path, options)),
    watch,
    close: () => dispatcher.destroy(),
  };
}
