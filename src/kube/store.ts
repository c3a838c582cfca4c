// The objects of one resource as last seen, by key and by index. It is fed by a reflector and by
// the answers to the operator's own writes, and never steps behind either. It sends nothing.
import type { KubeObject } from './port.ts';
import { objectKey, parseResourceVersion } from './resources.ts';
import type { SharedStrings } from './sharedStrings.ts';

/** One change of the store. `current` is missing after a deletion, `old` before a first sight. */
export interface StoreChange<T> {
  /** namespace/name. */
  readonly key: string;
  readonly old: T | undefined;
  readonly current: T | undefined;
}

/** May only enqueue keys: it is called in the middle of a change and must not write or throw. */
export type StoreListener<T> = (change: StoreChange<T>) => void;

/** The values under which an object is found again, for example the UIDs of its owners. */
export type Indexer<T> = (object: T) => readonly string[];

export interface StoreOptions<T, I extends string> {
  /** What is kept of an object. */
  readonly keep: (object: T) => T;
  readonly indexers?: Readonly<Record<I, Indexer<T>>>;
  /** Shared with other stores, whose objects have many texts in common. */
  readonly strings: SharedStrings;
  /** Told of a listener's exception; the other listeners are called all the same. */
  readonly onListenerError: (error: unknown) => void;
}

/** Stands for the namespace of a list and a watch of all namespaces. */
const ALL = '';

interface Entry<T> {
  readonly object: T;
  readonly version: bigint;
}

/**
 * It is fed by one reflector of all namespaces, or by one of each namespace: those are not at the
 * same version, and what one has seen says nothing about another's.
 *
 * Objects are frozen. resourceVersions of one resource are compared as numbers, which the API
 * conventions allow since Kubernetes 1.35 (KEP-5504).
 */
export class Store<T extends KubeObject, I extends string = never> {
  /** What is kept of an object, for who holds some before they are in the store. */
  readonly keep: (object: T) => T;
  readonly #entries = new Map<string, Entry<T>>();
  readonly #indexers: ReadonlyMap<I, Indexer<T>>;
  readonly #indexes = new Map<I, Map<string, Set<string>>>();
  readonly #listeners = new Set<StoreListener<T>>();
  readonly #onListenerError: (error: unknown) => void;
  readonly #strings: SharedStrings;
  /** By namespace: all that the server did there up to here was seen, by a list or in a watch. */
  readonly #seenVersions = new Map<string, bigint>();

  constructor(options: StoreOptions<T, I>) {
    this.#onListenerError = options.onListenerError;
    this.keep = options.keep;
    this.#strings = options.strings;
    this.#indexers = new Map(Object.entries(options.indexers ?? {}) as [I, Indexer<T>][]);
    for (const name of this.#indexers.keys()) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The object under namespace/name. */
  get(key: string): T | undefined {
    return this.#entries.get(key)?.object;
  }

  /** All objects, in no particular order. */
  list(): T[] {
    return Array.from(this.#entries.values(), (entry) => entry.object);
  }

  /** The objects whose indexer returned `value`, in no particular order. */
  byIndex(index: I, value: string): T[] {
    const found: T[] = [];
    for (const key of this.#indexes.get(index)?.get(value) ?? []) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) found.push(entry.object);
    }
    return found;
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: StoreListener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes the object that one of our own writes returned, so that the next look sees the write
   * although the watch is behind. Does nothing when the watch is past the write already: what is
   * not in the store then has been deleted since. The object is frozen.
   */
  applyOwnWrite(object: T): void {
    const version = parseResourceVersion(object.metadata.resourceVersion);
    const stored = this.#entries.get(objectKey(object));
    if (stored === undefined ? version <= this.#seenIn(object) : version <= stored.version) return;
    this.#put(object, version);
  }

  /** An ADDED or MODIFIED event of the watch. */
  applyEvent(object: T): void {
    const version = parseResourceVersion(object.metadata.resourceVersion);
    this.#see(version, this.#fedBy(object));
    const stored = this.#entries.get(objectKey(object));
    if (stored === undefined || stored.version < version) this.#put(object, version);
  }

  /**
   * A DELETED event. It wins over every state of the same object, as nothing can be written to an
   * object after its end; another object under the same name is touched only by what is newer.
   */
  applyDeletion(object: T): void {
    const version = parseResourceVersion(object.metadata.resourceVersion);
    this.#see(version, this.#fedBy(object));
    const key = objectKey(object);
    const stored = this.#entries.get(key);
    if (stored === undefined) return;
    if (stored.object.metadata.uid === object.metadata.uid || stored.version <= version) {
      this.#remove(key);
    }
  }

  /** A BOOKMARK: up to this resourceVersion the server has no more of `namespace`, or of all. */
  applyBookmark(resourceVersion: string, namespace = ALL): void {
    this.#see(parseResourceVersion(resourceVersion), namespace);
  }

  /**
   * Swaps in a complete, consistent list, of `namespace` or of all, at once and tells the listeners
   * only the difference. What we wrote after the list was made stays; a deletion the list can't
   * know of follows by watch.
   * A list from before what was seen already means that the server's history was put back (etcd
   * restored from a backup): then no number of ours means anything, and the list is all there is.
   */
  replace(objects: readonly T[], resourceVersion: string, namespace = ALL): void {
    const listVersion = parseResourceVersion(resourceVersion);
    const historyPutBack = listVersion < (this.#seenVersions.get(namespace) ?? 0n);
    this.#seenVersions.set(namespace, listVersion);
    const changes: StoreChange<T>[] = [];
    const listed = new Set<string>();
    for (const object of objects) {
      const key = objectKey(object);
      listed.add(key);
      const version = parseResourceVersion(object.metadata.resourceVersion);
      const old = this.#entries.get(key);
      if (old !== undefined && !historyPutBack && version <= old.version) continue;
      this.#set(key, { object: settle(this.keep(object), this.#strings), version });
      changes.push({ key, old: old?.object, current: this.#entries.get(key)?.object });
    }
    for (const [key, old] of this.#entries) {
      if (listed.has(key) || this.#fedBy(old.object) !== namespace) continue;
      if (!historyPutBack && old.version > listVersion) continue;
      this.#unset(key, old);
      changes.push({ key, old: old.object, current: undefined });
    }
    for (const change of changes) this.#tell(change);
  }

  /** The namespace of the list and watch that bring the object; its first list makes it known. */
  #fedBy({ metadata: { namespace = ALL } }: T): string {
    return this.#seenVersions.has(namespace) ? namespace : ALL;
  }

  #seenIn(object: T): bigint {
    return this.#seenVersions.get(this.#fedBy(object)) ?? 0n;
  }

  #see(version: bigint, namespace: string): void {
    const seen = this.#seenVersions.get(namespace) ?? 0n;
    if (version > seen) this.#seenVersions.set(namespace, version);
  }

  #put(object: T, version: bigint): void {
    const key = objectKey(object);
    const old = this.#entries.get(key)?.object;
    const current = settle(this.keep(object), this.#strings);
    this.#set(key, { object: current, version });
    this.#tell({ key, old, current });
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#unset(key, entry);
    this.#tell({ key, old: entry.object, current: undefined });
  }

  #set(key: string, entry: Entry<T>): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#unindex(key, old.object);
    this.#entries.set(key, entry);
    for (const [name, indexer] of this.#indexers) {
      const index = this.#indexes.get(name);
      for (const value of indexer(entry.object)) {
        const keys = index?.get(value);
        if (keys === undefined) index?.set(value, new Set([key]));
        else keys.add(key);
      }
    }
  }

  #unset(key: string, entry: Entry<T>): void {
    this.#entries.delete(key);
    this.#unindex(key, entry.object);
  }

  #unindex(key: string, object: T): void {
    for (const [name, indexer] of this.#indexers) {
      const index = this.#indexes.get(name);
      for (const value of indexer(object)) {
        const keys = index?.get(value);
        keys?.delete(key);
        if (keys?.size === 0) index?.delete(value);
      }
    }
  }

  #tell(change: StoreChange<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#onListenerError(error);
      }
    }
  }
}

/** An indexer by the UIDs of an object's owners. */
export function ownerUids(object: KubeObject): readonly string[] {
  return (object.metadata.ownerReferences ?? []).map((owner) => owner.uid);
}

/** Freezes the object and all that is in it, with one copy of each text. */
function settle<V>(value: V, strings: SharedStrings): V {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const fields = value as Record<string, unknown>;
  for (const name of Object.keys(fields)) {
    const inner = fields[name];
    if (typeof inner === 'string') fields[name] = strings.of(inner);
    else settle(inner, strings);
  }
  return Object.freeze(value);
}
