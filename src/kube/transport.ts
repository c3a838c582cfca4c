// Requests and watches to the API server as raw JSON, over kept-alive connections of undici, which
// are bounded for requests. It limits no rate and knows no resources; a request that met a
// dead connection or a refused token is sent once more, everything else is its caller's to retry.
import type { Dispatcher } from 'undici';
import type { Clock } from '../runtime/clock.ts';
import { asking, createAgents } from './agents.ts';
import type { Agents } from './agents.ts';
import { errorOf, parseBody, readText } from './answer.ts';
import type { Credentials, KubeConnection, TlsMaterial } from './config.ts';
import { createDeadline, untilAborted, type Deadline } from './deadline.ts';
import { KubeError } from './errors.ts';
import { readWatch, type WatchEventType } from './watchStream.ts';

/** JSON patch (RFC 6902), merge patch (RFC 7386), or strategic merge patch. */
export type PatchType = 'json' | 'merge' | 'strategic';

export interface KubeRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Begins with /api or /apis; its segments are escaped already (resourcePath). */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Needed with PATCH, and only there. */
  readonly patch?: PatchType;
  readonly signal?: AbortSignal;
  /**
   * Asked when it has its connection and its bytes are about to leave; false: they do not, and it
   * fails as NotLeading.
   */
  readonly mayBeSent?: () => boolean;
  /** It takes a connection beside the bounded ones, and so waits for no other request. */
  readonly ahead?: boolean;
  /** For the whole request, credentials and waiting for a connection included; 15 s if left out. */
  readonly timeoutMs?: number;
}

/** How a watch ended. `closed`: the server was done with it; `stopped`: our signal was aborted. */
export type WatchEnd =
  | { readonly type: 'closed' }
  | { readonly type: 'stopped' }
  | { readonly type: 'failed'; readonly error: KubeError };

/**
 * Called for ADDED, MODIFIED, DELETED and BOOKMARK, in the server's order. What it throws ends the
 * watch as failed, a KubeError as it is.
 */
export type WatchListener = (type: WatchEventType, object: unknown) => void;

export interface KubeClient {
  /** The parsed answer. Rejects with a KubeError only. */
  request<T>(request: KubeRequest): Promise<T>;
  /** Resolves when the watch has ended, for whatever reason; never rejects. */
  watch(
    path: string,
    query: Readonly<Record<string, string>>,
    onEvent: WatchListener,
    signal: AbortSignal,
  ): Promise<WatchEnd>;
}

export interface KubeTransport extends KubeClient {
  /** Ends all connections; requests under way fail. */
  close(): Promise<void>;
}

export interface TransportOptions {
  readonly connection: KubeConnection;
  readonly clock: Clock;
  /** Hears each request's method, its answer's status (0: there was none) and how long it took. */
  readonly onAnswer?: (method: string, status: number, seconds: number) => void;
  /** Sent as User-Agent, which the API server writes to its audit log and managedFields. */
  readonly userAgent: string;
}

const REQUEST_TIMEOUT_MS = 15_000;
/** Bookmarks come about once a minute, so a watch that is silent for longer has lost its server. */
const WATCH_IDLE_MS = 180_000;

const PATCH_CONTENT_TYPES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Connections are opened when first needed. */
export function createTransport(options: TransportOptions): KubeTransport {
  return new UndiciTransport(options);
}

class UndiciTransport implements KubeTransport {
  readonly #options: TransportOptions;
  readonly #origin: string;
  readonly #basePath: string;
  #pool: { readonly agents: Agents; readonly tls: string } | undefined;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    const url = new URL(options.connection.serverUrl);
    this.#origin = url.origin;
    this.#basePath = url.pathname.replace(/\/+$/, '');
  }

  async request<T>(request: KubeRequest): Promise<T> {
    const what = `${request.method} ${request.path}`;
    const timeoutMs = request.timeoutMs ?? REQUEST_TIMEOUT_MS;
    const { clock, onAnswer } = this.#options;
    const deadline = createDeadline(clock, what, timeoutMs, request.signal);
    const begunMs = clock.monotonicMs();
    let status = 0;
    try {
      const response = await this.#send(
        request,
        request.ahead === true ? 'unbounded' : 'bounded',
        deadline.signal,
      );
      status = response.statusCode;
      const text = await readText(response.body);
      if (response.statusCode >= 300) throw errorOf(response, text, testsInPatch(request));
      return parseBody<T>(text);
    } catch (error) {
      throw asKubeError(error, deadline.signal, what);
    } finally {
      deadline.dispose();
      onAnswer?.(request.method, status, (clock.monotonicMs() - begunMs) / 1000);
    }
  }

  async watch(
    path: string,
    query: Readonly<Record<string, string>>,
    onEvent: WatchListener,
    signal: AbortSignal,
  ): Promise<WatchEnd> {
    const what = `watch of ${path}`;
    const deadline = createDeadline(this.#options.clock, what, REQUEST_TIMEOUT_MS, signal);
    try {
      const request: KubeRequest = { method: 'GET', path, query: { ...query, watch: 'true' } };
      const response = await this.#send(request, 'unbounded', deadline.signal);
      if (response.statusCode >= 300) {
        throw errorOf(response, await readText(response.body), false);
      }
      await readWatch(extending(response.body, deadline), onEvent);
      return signal.aborted ? { type: 'stopped' } : { type: 'closed' };
    } catch (error) {
      if (signal.aborted) return { type: 'stopped' };
      return { type: 'failed', error: asKubeError(error, deadline.signal, what) };
    } finally {
      deadline.dispose();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const { bounded, unbounded } = this.#pool?.agents ?? {};
    await Promise.all([bounded?.destroy(), unbounded?.destroy()]);
  }

  /**
   * Sends once, and once more where the first try says nothing about the server: a kept connection
   * that was dead already (never for a POST, which might be done twice), or credentials of old.
   */
  async #send(
    request: KubeRequest,
    by: keyof Agents,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    let response: Dispatcher.ResponseData;
    try {
      response = await this.#sendOnce(request, by, signal);
    } catch (error) {
      if (signal.aborted || request.method === 'POST' || !isConnectionLost(error)) throw error;
      return this.#sendOnce(request, by, signal);
    }
    if (response.statusCode !== 401) return response;
    await response.body.dump();
    this.#options.connection.invalidate();
    return this.#sendOnce(request, by, signal);
  }

  async #sendOnce(
    request: KubeRequest,
    by: keyof Agents,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const credentials = await this.#credentials(signal);
    const query = new URLSearchParams(request.query).toString();
    const headers: Record<string, string> = {
      accept: 'application/json',
      'user-agent': this.#options.userAgent,
      ...credentials.headers,
    };
    if (request.body !== undefined) headers['content-type'] = contentTypeOf(request);
    const agent = this.#agents(credentials.tls)[by];
    const dispatcher =
      request.mayBeSent === undefined ? agent : agent.compose(asking(() => refusalOf(request)));
    const answer = dispatcher.request({
      origin: this.#origin,
      path: `${this.#basePath}${request.path}${query === '' ? '' : `?${query}`}`,
      method: request.method,
      headers,
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal,
    });
    // undici heeds the signal of a request that waits for a connection only once it has one.
    return untilAborted(answer, signal);
  }

  async #credentials(signal: AbortSignal): Promise<Credentials> {
    try {
      return await untilAborted(this.#options.connection.credentials(), signal);
    } catch (cause) {
      if (signal.aborted) throw cause;
      const message = `no credentials for the API server: ${describe(cause)}`;
      throw new KubeError(message, { kind: 'retryable', status: 0, reason: 'Credentials', cause });
    }
  }

  /** The same for all; new ones when certificates change, the old ones end with their watches. */
  #agents(tls: TlsMaterial): Agents {
    if (this.#closed) {
      throw new KubeError('the transport is closed', {
        kind: 'terminal',
        status: 0,
        reason: 'Aborted',
      });
    }
    const wanted = JSON.stringify(tls);
    if (this.#pool?.tls !== wanted) {
      const before = this.#pool;
      try {
        this.#pool = { agents: createAgents(tls), tls: wanted };
      } catch (error) {
        // Half written, or one file of two: those of before serve until the next look at them.
        this.#options.connection.invalidate();
        if (before === undefined) throw error;
        return before.agents;
      }
      void before?.agents.bounded.close();
      void before?.agents.unbounded.close();
    }
    return this.#pool.agents;
  }
}

function refusalOf({ method, path, mayBeSent }: KubeRequest): KubeError | null {
  if (mayBeSent?.() !== false) return null;
  const message = `${method} ${path} was not sent: this operator does not lead any more`;
  return new KubeError(message, { kind: 'terminal', status: 0, reason: 'NotLeading' });
}

async function* extending(
  body: AsyncIterable<Uint8Array>,
  deadline: Deadline,
): AsyncGenerator<Uint8Array> {
  deadline.extend(WATCH_IDLE_MS);
  for await (const chunk of body) {
    deadline.extend(WATCH_IDLE_MS);
    yield chunk;
  }
}

function testsInPatch(request: KubeRequest): boolean {
  if (request.patch !== 'json' || !Array.isArray(request.body)) return false;
  return request.body.some((operation: { readonly op?: unknown }) => operation.op === 'test');
}

function contentTypeOf(request: KubeRequest): string {
  if (request.method !== 'PATCH') return 'application/json';
  if (request.patch === undefined) {
    throw new KubeError('a PATCH must say its type', {
      kind: 'terminal',
      status: 0,
      reason: 'BadRequest',
    });
  }
  return PATCH_CONTENT_TYPES[request.patch];
}

/** The connection ended before an answer began: the server closed it while it was kept. */
function isConnectionLost(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE';
}

function asKubeError(error: unknown, signal: AbortSignal, what: string): KubeError {
  if (error instanceof KubeError) return error;
  if (signal.reason instanceof KubeError) return signal.reason;
  const message = `${what} failed: ${describe(error)}`;
  return new KubeError(message, { kind: 'retryable', status: 0, reason: 'Network', cause: error });
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
