// Leader election on a Lease (coordination.k8s.io/v1): at most one operator writes at a time. It
// trusts no other machine's clock: how long a holder was silent is measured here, monotonically.
import { sleep } from '../runtime/clock.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { isConflict, isNotFound } from './errors.ts';
import { microTime } from './events.ts';
import { apiVersionOf, leases, resourcePath } from './resources.ts';
import type { KubeObject } from './port.ts';
import type { KubeClient, KubeRequest } from './transport.ts';

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
  /** Gives the lease back, so that the next one need not wait for its end. */
  stop(): Promise<void>;
}

interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export function createElection(options: ElectionOptions): Election {
  return new LeaseElection(options);
}

class LeaseElection implements Election {
  readonly #options: ElectionOptions;
  readonly #path: string;
  readonly #stop = new AbortController();
  readonly #leading = Promise.withResolvers<void>();
  /** The lease as last seen, and when it was first seen like that. */
  #seen: Lease | undefined;
  #seenSinceMs = 0;
  /** When the last renewal that succeeded was begun; null while we do not lead. */
  #renewedMs: number | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Why the lease could not be written, as last said. */
  #failure = '';

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#path = resourcePath(leases, options.namespace, options.name);
  }

  isLeader(): boolean {
    const { clock, times } = this.#options;
    return (
      this.#renewedMs !== null && clock.monotonicMs() < this.#renewedMs + times.renewDeadlineMs
    );
  }

  async start(): Promise<boolean> {
    const first = this.#try();
    // Also who is stopped during the first try gives back what that brings.
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
    const seen = this.#seen;
    if (!this.isLeader() || seen === undefined) return;
    this.#renewedMs = null;
    const { client, times, identity } = this.#options;
    // A duration of 1 s, as client-go writes it: who reads only times sees an end, too.
    const released = { ...this.#spec(seen, ''), leaseDurationSeconds: 1 };
    await client.request(this.#put(seen, released, times.retryPeriodMs)).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      this.#options.log('warn', 'the lease could not be released', { identity, error: message });
    });
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
    const { clock, times, log, identity } = this.#options;
    const begunMs = clock.monotonicMs();
    try {
      const lease = this.#renewedMs === null ? await this.#read() : this.#seen;
      if (!this.#mayTake(lease)) return;
      const written = await this.#write(lease);
      const wasLeader = this.#renewedMs !== null;
      // A renewal whose answer came too late is none: somebody else may lead by now.
      if (wasLeader && !this.isLeader()) return;
      this.#note(written);
      this.#renewedMs = begunMs;
      this.#failure = '';
      if (!wasLeader) log('info', 'leading', { identity, lease: this.#path });
      this.#leading.resolve();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!isConflict(error)) {
        if (message === this.#failure) return;
        this.#failure = message;
        log('warn', 'the lease could not be written', { error: message, path: this.#path });
        return;
      }
      // Somebody else wrote: if that was not us, whose answer was lost, the lease is theirs.
      const lease = await this.#read().catch(() => undefined);
      const isTaken = lease?.spec?.holderIdentity !== identity;
      if (lease !== undefined && isTaken && this.#renewedMs !== null) {
        this.#renewedMs = begunMs - times.renewDeadlineMs;
      }
    }
  }

  async #read(): Promise<Lease | undefined> {
    const { client, times } = this.#options;
    try {
      const timeoutMs = times.renewDeadlineMs / 2;
      const read = { method: 'GET', path: this.#path, timeoutMs, ahead: true } as const;
      const lease = await client.request<Lease>(read);
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

  #write(lease: Lease | undefined): Promise<Lease> {
    const { client, times, namespace, name, identity } = this.#options;
    if (lease !== undefined) {
      const put = this.#put(lease, this.#spec(lease, identity), times.renewDeadlineMs / 2);
      return client.request<Lease>(put);
    }
    return client.request<Lease>({
      method: 'POST',
      path: resourcePath(leases, namespace),
      body: {
        apiVersion: apiVersionOf(leases),
        kind: leases.kind,
        metadata: { name, namespace },
        spec: this.#spec(undefined, identity),
      },
      timeoutMs: times.renewDeadlineMs / 2,
      ahead: true,
    });
  }

  /** Replaces the lease that was read; a conflict where it is another one by now. */
  #put({ metadata }: Lease, spec: Lease['spec'], timeoutMs: number): KubeRequest {
    const { namespace, name } = this.#options;
    const { uid, resourceVersion, labels, annotations } = metadata;
    const kept = {
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    };
    return {
      method: 'PUT',
      path: this.#path,
      body: {
        apiVersion: apiVersionOf(leases),
        kind: leases.kind,
        metadata: { name, namespace, uid, resourceVersion, ...kept },
        spec,
      },
      timeoutMs,
      ahead: true,
    };
  }

  #spec(lease: Lease | undefined, holderIdentity: string): Lease['spec'] {
    const { clock, times } = this.#options;
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
