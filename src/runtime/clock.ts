// Time as a port: the wall clock, the monotonic clock and timers. Everything that waits takes a
// Clock, so that tests and the simulation own time.

/** Cancels what it was returned for; harmless when that is already done. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds since the Unix epoch. It may jump; use it for stamps only. */
  nowMs(): number;
  /** Milliseconds since some fixed moment. It never goes back; use it for every duration. */
  monotonicMs(): number;
  /** Calls `fn` once, not before `ms` milliseconds have passed. Never calls it synchronously. */
  setTimer(ms: number, fn: () => void): Cancel;
}

/** Node's timers wrap longer delays to 1 ms; a wait cut to this is looked at again by its owner. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's own clocks and timers. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(ms, fn) {
    const timer = setTimeout(fn, Math.min(Math.max(ms, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many ms, or as soon as the signal is aborted; it never rejects. */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.setTimer(ms, done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

/** Whether the promise resolves within so many ms; rejects when it does in that time. */
export async function resolvesWithin(
  clock: Clock,
  ms: number,
  promise: Promise<unknown>,
): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const cancel = clock.setTimer(ms, () => over.resolve(false));
  try {
    return await Promise.race([promise.then(() => true), over.promise]);
  } finally {
    cancel();
  }
}
