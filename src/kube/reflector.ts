// Keeps a store equal to one collection of the API server: lists it in pages, watches it, and goes
// on whatever happens until it is stopped. What follows on what is a pure function
// (reflectorState.ts); this file does the I/O and the waiting.
import { backoffMs, type BackoffBounds } from '../runtime/backoff.ts';
import { sleep } from '../runtime/clock.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { KubeError } from './errors.ts';
import type { KubeObject, ObjectMeta } from './port.ts';
import {
  initialState,
  nextState,
  type ReflectorInput,
  type ReflectorState,
} from './reflectorState.ts';
import {
  apiVersionOf,
  parseResourceVersion,
  resourcePath,
  type GroupVersionResource,
} from './resources.ts';
import type { Store } from './store.ts';
import type { KubeClient } from './transport.ts';
import type { WatchEventType } from './watchStream.ts';

export interface ReflectorOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: GroupVersionResource;
  /** All namespaces when left out. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly store: Pick<
    Store<T>,
    'keep' | 'replace' | 'applyEvent' | 'applyDeletion' | 'applyBookmark'
  >;
  readonly clock: Clock;
  /**
   * Lists come as the beginning of a watch (WatchList), which spares both sides one large answer;
   * from a server that does not know it, in pages.
   */
  readonly streamsLists: boolean;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

export interface Reflector {
  /** True once the first list is in the store, save while a new one was asked for. */
  readonly synced: boolean;
  /** Synced, and told of changes: false from an interruption on, until something comes again. */
  readonly current: boolean;
  /** What it does at this moment. */
  readonly state: ReflectorState['type'];
  /** Resolves when synced first becomes true; rejects when the reflector is stopped before. */
  whenSynced(): Promise<void>;
  /** Call once. */
  start(): void;
  /** Lists anew, whatever it was doing; resolves when that list is in the store. */
  relist(): Promise<void>;
  /** Aborts what is under way; resolves when nothing of it is left. */
  stop(): Promise<void>;
}

const PAGE_SIZE = 500;
const LIST_TIMEOUT_MS = 60_000;
const BACKOFF: BackoffBounds = { baseMs: 400, maxMs: 10_000 };
/** The server ends each watch after a random time in these bounds, so that they spread. */
const WATCH_MIN_SECONDS = 300;
const WATCH_MAX_SECONDS = 600;
const interrupted = 'a watch is interrupted and goes on';
/** A watch that ended sooner than this without an event has shown nothing. */
const USEFUL_WATCH_MS = 1_000;

export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector {
  return new ListWatcher(options);
}

interface ObjectList {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly unknown[] | null;
}

class ListWatcher<T extends KubeObject> implements Reflector {
  readonly #options: ReflectorOptions<T>;
  readonly #path: string;
  /** Says that it is to end; what is under way then is aborted by #interrupt. */
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;
  #isCurrent = false;
  #streams: boolean;
  #state: ReflectorState = initialState;
  #pages: T[] = [];
  /** What a streamed list has brought so far, by UID. */
  readonly #initial = new Map<string, T>();
  #running: Promise<void> | undefined;
  /** Aborts the step under way, for a list that is wanted now. */
  #interrupt = new AbortController();
  #relisted: PromiseWithResolvers<void> | undefined;
  /** What the last wait was for, so that a long outage is told once. */
  #saidError = '';

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#streams = options.streamsLists;
    this.#path = resourcePath(options.resource, options.namespace);
    // Nobody has to wait for the first list: then its failing to come is no error of anybody's.
    this.#synced.promise.catch(() => undefined);
  }

  get synced(): boolean {
    return this.#isSynced && this.#relisted === undefined;
  }

  get current(): boolean {
    return this.#isCurrent && this.#relisted === undefined;
  }

  get state(): ReflectorState['type'] {
    return this.#state.type;
  }

  whenSynced(): Promise<void> {
    return this.#synced.promise;
  }

  start(): void {
    if (this.#running !== undefined) throw new Error(`${this.#path} is reflected already`);
    this.#running = this.#run();
  }

  relist(): Promise<void> {
    this.#relisted ??= Promise.withResolvers<void>();
    this.#interrupt.abort();
    return this.#relisted.promise;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#interrupt.abort();
    this.#synced.reject(new Error(`the reflector of ${this.#path} was stopped before it synced`));
    await this.#running;
    this.#state = { type: 'stopped' };
  }

  async #run(): Promise<void> {
    while (this.#state.type !== 'stopped') {
      const input = await this.#step(this.#state);
      if (this.#stop.signal.aborted) this.#state = nextState(this.#state, { type: 'stopped' });
      else if (this.#interrupt.signal.aborted) {
        this.#interrupt = new AbortController();
        this.#state = nextState(this.#state, { type: 'relist' });
      } else this.#state = nextState(this.#state, input);
    }
  }

  #step(state: Exclude<ReflectorState, { readonly type: 'stopped' }>): Promise<ReflectorInput> {
    switch (state.type) {
      case 'listing':
        return this.#streams && state.continueToken === undefined
          ? this.#streamList()
          : this.#list(state.continueToken);
      case 'watching':
        return this.#watch(state.resourceVersion);
      case 'waiting':
        return this.#wait(state);
    }
  }

  async #list(continueToken: string | undefined): Promise<ReflectorInput> {
    const { signal } = this.#interrupt;
    try {
      if (continueToken === undefined) this.#pages = [];
      const list = await this.#options.client.request<ObjectList>({
        method: 'GET',
        path: this.#path,
        query: {
          ...this.#selector(),
          limit: String(PAGE_SIZE),
          ...(continueToken === undefined ? {} : { continue: continueToken }),
        },
        signal,
        timeoutMs: LIST_TIMEOUT_MS,
      });
      if (signal.aborted) return { type: 'stopped' };
      for (const item of list.items ?? []) this.#pages.push(this.#read(item));
      const resourceVersion = list.metadata?.resourceVersion ?? '';
      const next = list.metadata?.continue;
      if (next !== undefined && next !== '') {
        return { type: 'paged', continueToken: next, resourceVersion };
      }
      return this.#listed(resourceVersion);
    } catch (error) {
      return { type: 'listFailed', error: asKubeError(error) };
    }
  }

  /** The list is whole. */
  #listed(resourceVersion: string): Extract<ReflectorInput, { readonly type: 'paged' }> {
    const { store, namespace } = this.#options;
    store.replace(this.#pages, resourceVersion, namespace);
    this.#pages = [];
    this.#isSynced = true;
    this.#isCurrent = true;
    this.#synced.resolve();
    this.#relisted?.resolve();
    this.#relisted = undefined;
    return { type: 'paged', continueToken: undefined, resourceVersion };
  }

  /** A consistent list as the beginning of the watch that goes on after it. */
  async #streamList(): Promise<ReflectorInput> {
    this.#initial.clear();
    const ended = await this.#watchFrom('0', {
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
    });
    if (ended.type !== 'watchEnded' || this.#state.type === 'watching') return ended;
    const { error } = ended;
    // 400 and 422 mean the server can't stream lists; 403 and 404 can be fixed.
    if (error?.status !== 422 && error?.status !== 400) {
      const message = `${this.#path}: the watch ended before the list was whole`;
      const cut = new KubeError(message, { kind: 'retryable', status: 0, reason: 'Malformed' });
      return { type: 'listFailed', error: error ?? cut };
    }
    this.#options.log('info', 'the server streams no lists; they are read in pages', {
      path: this.#path,
      error: error.message,
    });
    this.#streams = false;
    return this.#list(undefined);
  }

  #watch(from: string): Promise<ReflectorInput> {
    return this.#watchFrom(from, { resourceVersion: from });
  }

  async #watchFrom(from: string, query: Readonly<Record<string, string>>): Promise<ReflectorInput> {
    const { client, clock, random } = this.#options;
    const { signal } = this.#interrupt;
    const seconds = WATCH_MIN_SECONDS + random() * (WATCH_MAX_SECONDS - WATCH_MIN_SECONDS);
    const startedAtMs = clock.monotonicMs();
    let resourceVersion = from;
    let received = false;
    const end = await client.watch(
      this.#path,
      {
        ...this.#selector(),
        ...query,
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(Math.floor(seconds)),
      },
      (type, object) => {
        if (signal.aborted) return;
        received = true;
        if (this.#state.type === 'listing') {
          this.#takeInitial(type, object);
          if (this.#state.type === 'listing') return;
        }
        resourceVersion = laterVersion(resourceVersion, versionIn(object));
        this.#isCurrent = true;
        this.#take(type, object, resourceVersion);
      },
      signal,
    );
    if (end.type === 'stopped') return { type: 'stopped' };
    const useful = received || clock.monotonicMs() - startedAtMs >= USEFUL_WATCH_MS;
    const error = end.type === 'failed' ? end.error : undefined;
    return { type: 'watchEnded', resourceVersion, useful, received, error };
  }

  #take(type: WatchEventType, object: unknown, resourceVersion: string): void {
    const { store, namespace } = this.#options;
    if (type === 'BOOKMARK') store.applyBookmark(resourceVersion, namespace);
    else if (type === 'DELETED') store.applyDeletion(this.#read(object));
    else store.applyEvent(this.#read(object));
  }

  /** Objects come in any order, until a bookmark says that these were all. */
  #takeInitial(type: WatchEventType, object: unknown): void {
    if (type === 'BOOKMARK') {
      if (endsInitialEvents(object)) {
        this.#pages = [...this.#initial.values()];
        this.#initial.clear();
        this.#state = nextState(this.#state, this.#listed(versionIn(object)));
      }
      return;
    }
    const read = this.#read(object);
    if (type === 'DELETED') this.#initial.delete(read.metadata.uid);
    else this.#initial.set(read.metadata.uid, read);
  }

  async #wait(
    state: Extract<ReflectorState, { readonly type: 'waiting' }>,
  ): Promise<ReflectorInput> {
    const { clock, log, random } = this.#options;
    this.#isCurrent = false;
    const askedMs = (state.error?.retryAfterSeconds ?? 0) * 1000;
    const waitMs = Math.max(
      backoffMs(state.failures, BACKOFF, random),
      Math.min(askedMs, BACKOFF.maxMs),
    );
    const error = state.error?.message ?? 'the server closed the watch at once';
    const isNew = state.failures <= 2 || error !== this.#saidError;
    this.#saidError = error;
    log(isNew ? (state.failures > 1 ? 'warn' : 'info') : 'debug', interrupted, {
      path: this.#path,
      next: state.next.type,
      waitMs: Math.round(waitMs),
      failures: state.failures,
      error,
      status: state.error?.status ?? 0,
    });
    await sleep(clock, waitMs, this.#interrupt.signal);
    return { type: 'waited' };
  }

  #selector(): Record<string, string> {
    const { labelSelector } = this.#options;
    return labelSelector === undefined ? {} : { labelSelector };
  }

  /** Items of a list come without apiVersion and kind, those of a watch with them. */
  #read(value: unknown): T {
    if (!isKubeObject(value)) {
      throw new KubeError(`${this.#path} holds something without name, uid or resourceVersion`, {
        kind: 'retryable',
        status: 0,
        reason: 'Malformed',
      });
    }
    const { resource, store } = this.#options;
    // A list is long before the store has it.
    return store.keep({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...value } as T);
  }
}

function endsInitialEvents(object: unknown): boolean {
  const { metadata } = object as { readonly metadata?: ObjectMeta };
  return metadata?.annotations?.['k8s.io/initial-events-end'] === 'true';
}

/** Versions of one watch only grow; one that doesn't comes from a server that was put back. */
function laterVersion(current: string, next: string): string {
  if (parseResourceVersion(next) < parseResourceVersion(current)) {
    throw new KubeError(`the watch stepped back from version ${current} to ${next}`, {
      kind: 'retryable',
      status: 410,
      reason: 'Expired',
    });
  }
  return next;
}

function versionIn(object: unknown): string {
  if (typeof object === 'object' && object !== null && 'metadata' in object) {
    const metadata = object.metadata;
    if (typeof metadata === 'object' && metadata !== null && 'resourceVersion' in metadata) {
      return String(metadata.resourceVersion);
    }
  }
  return '';
}

function isKubeObject(value: unknown): value is KubeObject {
  if (typeof value !== 'object' || value === null || !('metadata' in value)) return false;
  const { metadata } = value;
  if (typeof metadata !== 'object' || metadata === null) return false;
  const fields: Record<string, unknown> = { ...metadata };
  return ['name', 'uid', 'resourceVersion'].every((name) => typeof fields[name] === 'string');
}

function asKubeError(error: unknown): KubeError {
  if (error instanceof KubeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new KubeError(message, {
    kind: 'retryable',
    status: 0,
    reason: 'Malformed',
    cause: error,
  });
}
