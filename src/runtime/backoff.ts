// How long to wait before the next try: exponential, bounded and jittered. It keeps no state.

export interface BackoffBounds {
  /** The longest wait before the first retry. */
  readonly baseMs: number;
  /** The longest wait of all. */
  readonly maxMs: number;
}

/**
 * The wait before retry number `failures` (1 is the first): base * 2^(failures - 1), cut to the
 * maximum, of which the upper half is random, so that many waiters spread and none starts at once.
 * `random` returns a number in [0, 1).
 */
export function backoffMs(failures: number, bounds: BackoffBounds, random: () => number): number {
  const exponent = Math.min(Math.max(failures, 1) - 1, 30);
  const ceilingMs = Math.min(bounds.baseMs * 2 ** exponent, bounds.maxMs);
  return ceilingMs / 2 + (ceilingMs / 2) * random();
}
