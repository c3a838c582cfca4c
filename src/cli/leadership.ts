// Who leads, and the way to it: the lease, then lists that are no older. It decides nothing about
// what a leader does.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { FIELD_MANAGER } from '../api/names.ts';
import type { ClusterWatch } from '../kube/cluster.ts';
import { createElection } from '../kube/lease.ts';
import type { Election, ElectionOptions } from '../kube/lease.ts';
import { resolvesWithin, type Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Flags } from './flags.ts';

/** The lease of the operators in this namespace; without an election the only one leads. */
export function createLeadership(
  { leaderElect, leaseTimes: times, namespace }: Flags,
  options: Pick<ElectionOptions, 'client' | 'clock' | 'log' | 'onLost'>,
): Election {
  if (!leaderElect) {
    return {
      isLeader: () => true,
      start: async () => true,
      whenLeading: async () => undefined,
      stop: async () => undefined,
    };
  }
  const identity = `${hostname()}_${randomUUID()}`;
  return createElection({ ...options, namespace, name: FIELD_MANAGER, identity, times });
}

export interface TakeLeadOptions {
  readonly election: Pick<Election, 'start' | 'whenLeading'>;
  readonly watch: Pick<ClusterWatch, 'start' | 'whenSynced' | 'relist'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a lease may be held without the lists; null: there is none that others wait for. */
  readonly boundMs: number | null;
}

/**
 * Resolves with true when we lead and every list is in that is not older than the lease; with false
 * when those lists did not come within the bound, so that the lease is held for nothing.
 */
export async function takeLead(options: TakeLeadOptions): Promise<boolean> {
  const { election, watch, clock, log, boundMs } = options;
  const ledAtOnce = await election.start();
  // The caches of one that waits for the lease are warm; what it leads with is listed anew.
  watch.start();
  watch.whenSynced().then(
    () => log('info', 'ready'),
    // It is stopped: nobody is told.
    () => undefined,
  );
  await election.whenLeading();
  const listed = ledAtOnce ? watch.whenSynced() : watch.relist();
  if (boundMs !== null) return resolvesWithin(clock, boundMs, listed);
  await listed;
  return true;
}
