// A queue of keys: one entry a key, never two workers on one, the earliest time wins. Urgent keys
// go ahead of all others, wait for no token and have workers kept free for them (I4). It does not
// know what a key means and forgets everything when the process ends.
import { backoffMs, type BackoffBounds } from './backoff.ts';
import type { Cancel, Clock } from './clock.ts';
import { DelayHeap } from './delayHeap.ts';
import type { Log } from './log.ts';
import { TokenBucket, type Rate } from './tokenBucket.ts';

export type Priority = 'normal' | 'urgent';

export interface AddOptions {
  /** `normal` if left out. An urgent add clears the key's back-off. */
  readonly priority?: Priority;
  /** 0 if left out. */
  readonly delayMs?: number;
}

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** Workers for all keys. */
  readonly concurrency: number;
  /** Workers more, for urgent keys only, so that slow passes of other objects hold none up. */
  readonly urgentConcurrency: number;
  readonly backoff: BackoffBounds;
  /** Starts of normal keys: so many a second in the long run, `burst` at once. */
  readonly rate: Rate;
}

/** Gauges of this moment. */
export interface WorkQueueStats {
  readonly urgentReady: number;
  readonly normalReady: number;
  readonly delayed: number;
  readonly processing: number;
  /** Keys that failed and have not succeeded (forget) since. */
  readonly failing: number;
}

export type Handler = (key: string) => Promise<void>;

export interface WorkQueue {
  /** Asks for one pass of the key. Adds join: the earliest time and the highest priority win. */
  add(key: string, options?: AddOptions): void;
  /** Asks for a pass after the key's back-off, which grows with each call until forget. */
  retry(key: string): void;
  /** The key is well: its next back-off is the first again. Takes nothing from the queue. */
  forget(key: string): void;
  /** Starts the workers. A pass that rejects is logged and retried. Call once. */
  run(handler: Handler): void;
  /** Starts no more passes; resolves when those under way have ended. */
  shutdown(): Promise<void>;
  stats(): WorkQueueStats;
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  return new KeyedQueue(options);
}

/** What a key waits for: a pass not before `dueMs`. */
interface Want {
  readonly dueMs: number;
  readonly priority: Priority;
}

class KeyedQueue implements WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #clock: Clock;
  readonly #tokens: TokenBucket;
  /** Exactly one want a key that waits; #delayed, #urgent and #normal say where it waits. */
  readonly #wants = new Map<string, Want>();
  readonly #delayed = new DelayHeap();
  readonly #urgent = new Set<string>();
  readonly #normal = new Set<string>();
  readonly #processing = new Set<string>();
  /** Those of them that are not urgent. */
  readonly #processingNormal = new Set<string>();
  /** What was asked for while the key's pass was under way. */
  readonly #dirty = new Map<string, Want>();
  readonly #failures = new Map<string, number>();
  readonly #idle = Promise.withResolvers<void>();
  #handler: Handler | undefined;
  #stopped = false;
  #pumpScheduled = false;
  #cancelTimer: Cancel = () => undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#tokens = new TokenBucket(options.rate, options.clock.monotonicMs());
  }

  add(key: string, options: AddOptions = {}): void {
    const priority = options.priority ?? 'normal';
    if (priority === 'urgent') this.#failures.delete(key);
    const dueMs = this.#clock.monotonicMs() + Math.max(options.delayMs ?? 0, 0);
    this.#want(key, { dueMs, priority });
  }

  retry(key: string): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const delayMs = backoffMs(failures, this.#options.backoff, this.#options.random);
    this.#want(key, { dueMs: this.#clock.monotonicMs() + delayMs, priority: 'normal' });
  }

  forget(key: string): void {
    this.#failures.delete(key);
  }

  run(handler: Handler): void {
    if (this.#handler !== undefined) throw new Error('the queue has its workers already');
    this.#handler = handler;
    this.#schedulePump();
  }

  shutdown(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    if (this.#processing.size === 0) this.#idle.resolve();
    return this.#idle.promise;
  }

  stats(): WorkQueueStats {
    return {
      urgentReady: this.#urgent.size,
      normalReady: this.#normal.size,
      delayed: this.#delayed.size,
      processing: this.#processing.size,
      failing: this.#failures.size,
    };
  }

  #want(key: string, want: Want): void {
    if (this.#stopped) return;
    if (this.#processing.has(key)) {
      this.#dirty.set(key, join(this.#dirty.get(key), want));
      return;
    }
    this.#place(key, join(this.#wants.get(key), want));
    this.#schedulePump();
  }

  /** Puts the key where its want belongs; its place among equals is kept. */
  #place(key: string, want: Want): void {
    this.#wants.set(key, want);
    if (want.dueMs > this.#clock.monotonicMs()) {
      this.#delayed.set(key, want.dueMs);
      return;
    }
    this.#delayed.delete(key);
    if (want.priority === 'urgent') {
      this.#normal.delete(key);
      this.#urgent.add(key);
    } else {
      this.#normal.add(key);
    }
  }

  /** A microtask later, so that what is added together is ordered together. */
  #schedulePump(): void {
    if (this.#pumpScheduled || this.#stopped || this.#handler === undefined) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#stopped) return;
    const nowMs = this.#clock.monotonicMs();
    this.#cancelTimer();
    this.#ripen(nowMs);
    // One a turn of the event loop, so that what the first of a burst sends goes out before the
    // last has been decided.
    const [urgent] = this.#urgent;
    if (urgent !== undefined && this.#free() > 0) this.#start(urgent);
    if (this.#urgent.size > 0 && this.#free() > 0) return this.#pumpAfterMs(0);
    for (const key of this.#normal) {
      if (this.#freeForNormal() <= 0 || !this.#tokens.take(nowMs)) break;
      this.#processingNormal.add(key);
      this.#start(key);
    }
    this.#setTimer(nowMs);
  }

  #free(): number {
    const { concurrency, urgentConcurrency } = this.#options;
    return concurrency + urgentConcurrency - this.#processing.size;
  }

  /** Urgent passes that are slow do not count here: they would stop all other work. */
  #freeForNormal(): number {
    return Math.min(this.#free(), this.#options.concurrency - this.#processingNormal.size);
  }

  #ripen(nowMs: number): void {
    for (let due = this.#delayed.peek(); due !== undefined; due = this.#delayed.peek()) {
      if (due.dueMs > nowMs) return;
      const want = this.#wants.get(due.key);
      if (want === undefined) throw new Error(`${due.key} is delayed and not wanted`);
      this.#place(due.key, want);
    }
  }

  #start(key: string): void {
    this.#wants.delete(key);
    this.#urgent.delete(key);
    this.#normal.delete(key);
    this.#processing.add(key);
    void this.#work(key);
  }

  async #work(key: string): Promise<void> {
    try {
      await this.#handler?.(key);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log('error', 'a pass failed and is retried', { key, error: message });
      this.retry(key);
    }
    this.#processing.delete(key);
    this.#processingNormal.delete(key);
    const dirty = this.#dirty.get(key);
    this.#dirty.delete(key);
    if (this.#stopped) {
      if (this.#processing.size === 0) this.#idle.resolve();
      return;
    }
    if (dirty !== undefined) this.#place(key, dirty);
    this.#schedulePump();
  }

  /** One timer, for what comes first: the end of a delay, or a token that a key waits for. */
  #setTimer(nowMs: number): void {
    const waitsMs: number[] = [];
    const due = this.#delayed.peek();
    if (due !== undefined) waitsMs.push(due.dueMs - nowMs);
    if (this.#normal.size > 0 && this.#freeForNormal() > 0) {
      waitsMs.push(this.#tokens.waitMs(nowMs));
    }
    if (waitsMs.length > 0) this.#pumpAfterMs(Math.min(...waitsMs));
  }

  #pumpAfterMs(ms: number): void {
    this.#cancelTimer = this.#clock.setTimer(ms, () => this.#pump());
  }
}

function join(old: Want | undefined, added: Want): Want {
  if (old === undefined) return added;
  return {
    dueMs: Math.min(old.dueMs, added.dueMs),
    priority: old.priority === 'urgent' ? 'urgent' : added.priority,
  };
}
