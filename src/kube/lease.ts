// Leader election on a Lease (coordination.k8s.io/v1): at most one operator writes at a time. It
// trusts no other machine's clock: how long a holder was silent is measured here, monotonically.
import { sleep } from '../runtime/clock.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { isConflict, isNotFound } from './errors.ts';
import { leaseRequests } from './leaseRequests.ts';
import type { Bounds, Lease, LeaseRequests } from './leaseRequests.ts';
import { leases, resourcePath } from './resources.ts';
import type { KubeClient } from './transport.ts';

export interface LeaseTimes {
  /** A holder that did not renew for so long has lost the lease. */
  readonly durationMs: number;
  /** A holder that could not renew for so long writes no more; below `durationMs`. */
  readonly renewDeadlineMs: number;
  /** How often the holder renews and the others look at the latest. */
  readonly retryPeriodMs: number;
}

/** Those of kube-controller-manager. */
export const defaultLeaseTimes: LeaseTimes = {
  durationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
};

/** For all that giving the lease back takes, whatever the times of the lease are. */
const releaseMs = 4_000;

export interface ElectionOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly namespace: string;
  readonly name: string;
  /** Different for every process, also for two on one host. */
  readonly identity: string;
  readonly times: LeaseTimes;
  /** The lease was ours and is not any more: nothing may be written from now on. */
  readonly onLost: () => void;
}

export interface Election {
  /** True only while the lease is ours beyond doubt. */
  isLeader(): boolean;
  /** Begins; resolves with whether the very first try made us the leader. Call once. */
  start(): Promise<boolean>;
  /** Resolves when we lead; never, when that does not come. */
  whenLeading(): Promise<void>;
  /**
   * Gives the lease back, so that the next one need not wait for its end. It waits for no try under
   * way, and resolves within 4 s, also where the API server does not answer.
   */
  stop(): Promise<void>;
}

export function createElection(options: ElectionOptions): Election {
  return new LeaseElection(options);
}

class LeaseElection implements Election {
  readonly #options: ElectionOptions;
  readonly #path: string;
  readonly #requests: LeaseRequests;
  readonly #stop = new AbortController();
  readonly #leading = Promise.withResolvers<void>();
  /** The lease as last seen, and when it was first seen like that. */
  #seen: Lease | undefined;
  #seenSinceMs = 0;
  /** When the last renewal that succeeded was begun; null while we do not lead. */
  #renewedMs: number | null = null;
  #running: Promise<void> = Promise.resolve();
  /** A write left and was not answered: the lease may be ours, in a version that we don't know. */
  #unanswered = false;
  /** Why the lease could not be written, as last said. */
  #failure = '';

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#path = resourcePath(leases, options.namespace, options.name);
    this.#requests = leaseRequests(options);
  }

  isLeader(): boolean {
    const { clock, times } = this.#options;
    return (
      this.#renewedMs !== null && clock.monotonicMs() < this.#renewedMs + times.renewDeadlineMs
    );
  }

  async start(): Promise<boolean> {
    const first = this.#try();
    this.#running = first.then(() => this.#run());
    await first;
    return this.isLeader();
  }

  whenLeading(): Promise<void> {
    return this.#leading.promise;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    if (!this.isLeader() && !this.#unanswered) return;
    this.#renewedMs = null;
    await this.#release().catch((error: unknown) => {
      const { identity } = this.#options;
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log('warn', 'the lease could not be released', { identity, error: message });
    });
  }

  async #release(): Promise<void> {
    const { client, clock, identity } = this.#options;
    const endMs = clock.monotonicMs() + releaseMs;
    const leftMs = (): number => Math.max(1, endMs - clock.monotonicMs());
    // A renewal that was cut off may have been written, or be written until the release is.
    let isKnown = !this.#unanswered;
    while (clock.monotonicMs() < endMs) {
      const lease = isKnown ? this.#seen : await this.#read({ timeoutMs: leftMs() });
      if (lease?.spec?.holderIdentity !== identity) return;
      try {
        await client.request(this.#requests.release(lease, { timeoutMs: leftMs() }));
        return;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
      isKnown = false;
    }
  }

  async #run(): Promise<void> {
    const { clock, times, onLost } = this.#options;
    while (!this.#stop.signal.aborted) {
      const led = this.#renewedMs !== null;
      if (led) await sleep(clock, times.retryPeriodMs, this.#stop.signal);
      else await this.#waitForChange();
      if (this.#stop.signal.aborted) return;
      // A process that was stopped for long finds out here, and does not even ask.
      if (!led || this.isLeader()) await this.#try();
      if (this.#stop.signal.aborted) return;
      if (led && this.#isOver()) {
        this.#renewedMs = null;
        onLost();
        return;
      }
    }
  }

  /** Ours no more: somebody else holds it, or it could not be renewed in time. */
  #isOver(): boolean {
    const { clock, times, identity } = this.#options;
    const taken = this.#seen?.spec?.holderIdentity !== identity;
    const late = clock.monotonicMs() >= (this.#renewedMs ?? 0) + times.renewDeadlineMs;
    return taken || late;
  }

  /** One try to take or to renew. What fails is tried again a period later. */
  async #try(): Promise<void> {
    const { client, clock, times, log, identity } = this.#options;
    const begunMs = clock.monotonicMs();
    try {
      const lease = this.#renewedMs === null ? await this.#read(this.#bounds()) : this.#seen;
      if (!this.#mayTake(lease)) return;
      this.#unanswered = true;
      const written = await client.request<Lease>(this.#requests.write(lease, this.#bounds()));
      this.#unanswered = false;
      const wasLeader = this.#renewedMs !== null;
      // A renewal whose answer came too late is none: somebody else may lead by now.
      if (wasLeader && !this.isLeader()) return;
      this.#note(written);
      this.#renewedMs = begunMs;
      this.#failure = '';
      if (!wasLeader) log('info', 'leading', { identity, lease: this.#path });
      this.#leading.resolve();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#unanswered = false;
      const message = error instanceof Error ? error.message : String(error);
      if (!isConflict(error)) {
        if (message === this.#failure) return;
        this.#failure = message;
        log('warn', 'the lease could not be written', { error: message, path: this.#path });
        return;
      }
      // Somebody else wrote: if that was not us, whose answer was lost, the lease is theirs.
      const lease = await this.#read(this.#bounds()).catch(() => undefined);
      const isTaken = lease?.spec?.holderIdentity !== identity;
      if (lease !== undefined && isTaken && this.#renewedMs !== null) {
        this.#renewedMs = begunMs - times.renewDeadlineMs;
      }
    }
  }

  /** Of a request of a try: the next one has its chance, and a stop waits for none. */
  #bounds(): Bounds {
    return { timeoutMs: this.#options.times.renewDeadlineMs / 2, signal: this.#stop.signal };
  }

  async #read(bounds: Bounds): Promise<Lease | undefined> {
    const { client } = this.#options;
    try {
      const lease = await client.request<Lease>(this.#requests.read(bounds));
      this.#note(lease);
      return lease;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#seen = undefined;
      return undefined;
    }
  }

  #note(lease: Lease): void {
    const isSame = this.#seen?.metadata.resourceVersion === lease.metadata.resourceVersion;
    if (!isSame) this.#seenSinceMs = this.#options.clock.monotonicMs();
    this.#seen = lease;
  }

  /** Free, ours, or silent for as long as its holder promised to renew within. */
  #mayTake(lease: Lease | undefined): boolean {
    const holder = lease?.spec?.holderIdentity ?? '';
    return holder === '' || holder === this.#options.identity || this.#endsInMs() <= 0;
  }

  #endsInMs(): number {
    const { clock, times } = this.#options;
    const seconds = this.#seen?.spec?.leaseDurationSeconds;
    const durationMs = seconds === undefined ? times.durationMs : seconds * 1000;
    return this.#seenSinceMs + durationMs - clock.monotonicMs();
  }

  /** Until the lease is written, would end, or a period is over: a release is seen at once. */
  async #waitForChange(): Promise<void> {
    const { client, clock, times, namespace, name } = this.#options;
    const enough = new AbortController();
    const signal = AbortSignal.any([enough.signal, this.#stop.signal]);
    const endsInMs = this.#endsInMs();
    const waitMs = endsInMs > 0 ? Math.min(endsInMs, times.retryPeriodMs) : times.retryPeriodMs;
    const cancel = clock.setTimer(waitMs, () => enough.abort());
    const resourceVersion = this.#seen?.metadata.resourceVersion;
    const query = {
      fieldSelector: `metadata.name=${name}`,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    const onEvent = (type: string, object: unknown): void => {
      const isFree = ((object as Lease).spec?.holderIdentity ?? '') === '';
      if (type === 'DELETED' || isFree) enough.abort();
    };
    const end = await client.watch(resourcePath(leases, namespace), query, onEvent, signal);
    // A watch that can't be had is no reason to ask again and again.
    if (end.type !== 'stopped') await sleep(clock, times.retryPeriodMs / 2, signal);
    cancel();
  }
}
