// Looking at something again and again, with growing waits, until it is as it should be.
import { backoffMs, type BackoffBounds } from './backoff.ts';
import { sleep, type Clock } from './clock.ts';

/** By which clock to wait between looks, and until when to go on. */
export interface Patience {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Ends it. */
  readonly signal: AbortSignal;
}

const bounds: BackoffBounds = { baseMs: 500, maxMs: 30_000 };

/**
 * Waits and looks until a look returns true or the signal is aborted, whichever is first. Rejects
 * as soon as a look does.
 */
export async function lookAgain(look: () => Promise<boolean>, how: Patience): Promise<void> {
  const { clock, random, signal } = how;
  for (let failures = 1; ; failures++) {
    await sleep(clock, backoffMs(failures, bounds, random), signal);
    if (signal.aborted || (await look())) return;
  }
}
