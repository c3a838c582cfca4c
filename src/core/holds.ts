// What a run of judged points means: whether a breach has held for as long as the limit says, and
// whether a step's whole hold was healthy. Reads points only; it neither fetches nor remembers any.
import type { ResolvedSignal } from '../api/defaults.ts';
import { stopsAdvance } from './signals.ts';
import type { JudgedPoint } from './signals.ts';

/** Least share of a hold's points that must be known (evidence.md, "A hold"). */
export const leastCoverage = 0.8;
/** Newest data older than this many steps is stale. */
const freshSteps = 2;

export type BreachHold =
  | { readonly state: 'none' }
  /** A breach is running; it would be complete at holdUntilMs if nothing clears it. */
  | {
      readonly state: 'suspect';
      readonly sinceMs: number;
      readonly holdUntilMs: number;
      readonly requests: number | null;
      /** Set when time is up and only the number of requests is short. */
      readonly missingRequests: number;
    }
  | {
      readonly state: 'held';
      readonly sinceMs: number;
      readonly heldSeconds: number;
      readonly requests: number | null;
      readonly points: readonly JudgedPoint[];
    };

function requestsIn(points: readonly JudgedPoint[], stepSeconds: number): number | null {
  let sum = 0;
  let counted = false;
  for (const point of points) {
    if (point.requestsPerSecond === null) continue;
    counted = true;
    sum += point.requestsPerSecond * stepSeconds;
  }
  return counted ? sum : null;
}

/**
 * Judges a rollback limit on the points up to `nowMs`. Unknown points neither break nor fill the
 * hold: it stretches to at most twice `for`, until enough breaching points stand without a clear
 * one.
 */
export function judgeBreach(
  signal: ResolvedSignal,
  points: readonly JudgedPoint[],
  stepSeconds: number,
  nowMs: number,
): BreachHold {
  const forMs = signal.forSeconds * 1000;
  const oldestMs = nowMs - Math.max(2 * forMs, freshSteps * stepSeconds * 1000);
  const known = points.filter(
    ({ level, timeMs }) => level !== 'Unknown' && timeMs <= nowMs && timeMs >= oldestMs,
  );
  const newest = known.at(-1);
  if (newest === undefined || newest.level !== 'Breach') return { state: 'none' };
  if (newest.timeMs < nowMs - freshSteps * stepSeconds * 1000) return { state: 'none' };
  const lastClear = known.findLastIndex((point) => point.level !== 'Breach');
  const run = known.slice(lastClear + 1);
  const first = run[0] ?? newest;
  const spanMs = newest.timeMs - first.timeMs;
  const requests = requestsIn(run, stepSeconds);
  const missingRequests =
    requests === null ? 0 : Math.max(0, Math.ceil(signal.minRequests - requests));
  const enough = run.length >= leastCoverage * (signal.forSeconds / stepSeconds);
  if (spanMs >= forMs && enough && missingRequests === 0) {
    return {
      state: 'held',
      sinceMs: first.timeMs,
      heldSeconds: spanMs / 1000,
      requests,
      points: run,
    };
  }
  return {
    state: 'suspect',
    sinceMs: first.timeMs,
    holdUntilMs: first.timeMs + forMs,
    requests,
    missingRequests: spanMs >= forMs ? missingRequests : 0,
  };
}

export type HealthHold =
  | { readonly state: 'healthy' }
  /** A point at critical or worse stands too near: the hold would pass at clearAtMs. */
  | { readonly state: 'unhealthy'; readonly lastMs: number; readonly clearAtMs: number }
  | { readonly state: 'tooFewRequests'; readonly missing: number }
  | { readonly state: 'unknown'; readonly knownShare: number };

/**
 * Judges whether the signal stayed below critical over a whole hold that ends now. A step passes
 * when its hold since the last point at critical or worse is over, and `for` since the last breach.
 */
export function judgeHealth(
  signal: ResolvedSignal,
  points: readonly JudgedPoint[],
  stepSeconds: number,
  holdStartMs: number,
  holdSeconds: number,
  nowMs: number,
): HealthHold {
  const upToNow = points.filter((point) => point.timeMs <= nowMs);
  const lastBad = upToNow.findLast((point) => stopsAdvance(point.advanceLevel));
  const lastBreach = upToNow.findLast((point) => point.level === 'Breach');
  const clearAtMs = Math.max(
    lastBad === undefined ? 0 : lastBad.timeMs + Math.max(holdSeconds, signal.clearSeconds) * 1000,
    lastBreach === undefined ? 0 : lastBreach.timeMs + signal.forSeconds * 1000,
  );
  const newestBad = lastBad ?? lastBreach;
  if (newestBad !== undefined && clearAtMs >= nowMs) {
    return { state: 'unhealthy', lastMs: newestBad.timeMs, clearAtMs };
  }
  // The hold is the newest stretch of the step: a step that waited longer is judged on its end.
  const startMs = Math.max(holdStartMs, nowMs - holdSeconds * 1000);
  const within = upToNow.filter((point) => point.timeMs >= startMs);
  const requests = requestsIn(within, stepSeconds);
  const known = within.filter((point) => point.level !== 'Unknown');
  const expected = Math.max(1, Math.floor((nowMs - startMs) / (stepSeconds * 1000)));
  if (requests !== null && requests < signal.minRequests) {
    return { state: 'tooFewRequests', missing: Math.ceil(signal.minRequests - requests) };
  }
  const knownShare = Math.min(1, known.length / expected);
  const newest = known.at(-1);
  const fresh = newest !== undefined && newest.timeMs >= nowMs - freshSteps * stepSeconds * 1000;
  if (knownShare < leastCoverage || !fresh) return { state: 'unknown', knownShare };
  return { state: 'healthy' };
}
