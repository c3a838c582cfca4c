// Turns raw counts, buckets and values into points with a level. It judges one point at a time;
// holds.ts judges what a run of points means.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Level } from '../api/schema.ts';
import type { Absence, LatencyPoint, RawPoints, RequestPoint } from './evidence.ts';
import { judgeHandshakes } from './handshakes.ts';
import { judgePods } from './podSignals.ts';

/** Least requests behind one point; fewer say nothing (evidence.md, "A hold"). */
export const leastRequestsPerPoint = 10;

export interface JudgedPoint {
  readonly timeMs: number;
  /** The level that may blame. */
  readonly level: Level;
  /** The level that an advance must answer to: never lower than `level`. */
  readonly advanceLevel: Level;
  /** The signal's value for people, in its unit; null when unknown. */
  readonly value: number | null;
  /** Requests per second behind the point; null where the signal counts none. */
  readonly requestsPerSecond: number | null;
  readonly absence: Absence | null;
}

const severity: Readonly<Record<Level, number>> = {
  Unknown: 0,
  Normal: 1,
  Warning: 2,
  Critical: 3,
  Breach: 4,
};

/** True for Critical and Breach: no advance while any signal stands there. */
export function stopsAdvance(level: Level): boolean {
  return severity[level] >= severity.Critical;
}

/** The worse of two levels; Unknown gives way to anything known. */
export function worseOf(a: Level, b: Level): Level {
  return severity[a] >= severity[b] ? a : b;
}

/** Whether the value is beyond a limit; to `advance`, the doubt is held against the canary. */
type Beyond = (limit: number, side: 'blame' | 'advance') => boolean;

/** The level of a value that is known whole: it is beyond a limit or not. */
export function levelOf(signal: ResolvedSignal, value: number): Level {
  const beyond: Beyond = (limit) => (signal.direction === 'above' ? value > limit : value < limit);
  return levelFrom(signal, beyond, 'blame');
}

function levelFrom(signal: ResolvedSignal, beyond: Beyond, side: 'blame' | 'advance'): Level {
  if (signal.rollback !== null && beyond(signal.rollback, side)) return 'Breach';
  if (signal.critical !== null && beyond(signal.critical, side)) return 'Critical';
  if (signal.warning !== null && beyond(signal.warning, side)) return 'Warning';
  return 'Normal';
}

function unknown(timeMs: number, absence: Absence, requestsPerSecond: number | null): JudgedPoint {
  return {
    timeMs,
    level: 'Unknown',
    advanceLevel: 'Unknown',
    value: null,
    requestsPerSecond,
    absence,
  };
}

function tooFew(requests: number): Absence {
  return {
    kind: 'noData',
    reason: 'TooFewRequests',
    message: `${requests.toFixed(1)} requests in one window, fewer than ${leastRequestsPerPoint}.`,
  };
}

function notFinite(value: number): Absence {
  return Number.isNaN(value)
    ? { kind: 'notANumber', reason: 'NotANumber', message: 'The query answered NaN.' }
    : { kind: 'infinite', reason: 'Infinite', message: `The query answered ${value}.` };
}

/** "503", "5xx" and, where outcomes are classified, "failure" count as failed. */
function isFailure(code: string): boolean {
  return code.startsWith('5') || code === 'failure';
}

function judgeRequests(
  signal: ResolvedSignal,
  point: RequestPoint,
  windowSeconds: number,
): JudgedPoint {
  let total = 0;
  let failed = 0;
  for (const { code, perSecond } of point.byCode) {
    if (!Number.isFinite(perSecond)) return unknown(point.timeMs, notFinite(perSecond), null);
    total += perSecond;
    if (isFailure(code)) failed += perSecond;
  }
  const requests = total * windowSeconds;
  if (requests < leastRequestsPerPoint) return unknown(point.timeMs, tooFew(requests), total);
  const ratio = failed / total;
  const level = levelOf(signal, ratio);
  return {
    timeMs: point.timeMs,
    level,
    advanceLevel: level,
    value: ratio,
    requestsPerSecond: total,
    absence: null,
  };
}

/** The share of requests that P95 leaves out. */
const tailShare = 0.05;

/**
 * "P95 above L" as the share of requests over a bucket's boundary: to blame, the smallest boundary
 * at or above L (a breach there proves one at L); to advance, the largest at or below L.
 */
function judgeLatency(
  signal: ResolvedSignal,
  point: LatencyPoint,
  windowSeconds: number,
): JudgedPoint {
  const last = point.buckets.at(-1);
  const total = last?.perSecond ?? 0;
  if (!Number.isFinite(total)) return unknown(point.timeMs, notFinite(total), null);
  const finite = point.buckets.filter((bucket) => Number.isFinite(bucket.le));
  const top = finite.at(-1)?.le ?? 0;
  // However many requests there are: what says so now and then changes the phase each time.
  if (signal.rollback !== null && signal.rollback > top) {
    return unknown(point.timeMs, aboveTopBucket(signal, top), total);
  }
  const requests = total * windowSeconds;
  if (requests < leastRequestsPerPoint) return unknown(point.timeMs, tooFew(requests), total);
  const shareOver = (le: number): number =>
    1 - (finite.find((bucket) => bucket.le === le)?.perSecond ?? 0) / total;
  const beyond: Beyond = (limit, side) => {
    const boundary =
      side === 'blame'
        ? finite.find((bucket) => bucket.le >= limit)?.le
        : finite.findLast((bucket) => bucket.le <= limit)?.le;
    // No boundary at or above: nothing here can prove a breach. None at or below: nothing clears
    // it.
    if (boundary === undefined) return side === 'advance';
    return shareOver(boundary) > tailShare;
  };
  return {
    timeMs: point.timeMs,
    level: levelFrom(signal, beyond, 'blame'),
    advanceLevel: levelFrom(signal, beyond, 'advance'),
    value: interpolateQuantile(point, 1 - tailShare),
    requestsPerSecond: total,
    absence: null,
  };
}

function aboveTopBucket(signal: ResolvedSignal, top: number): Absence {
  return {
    kind: 'untrusted',
    reason: 'LimitAboveTopBucket',
    message:
      `The histogram's highest finite boundary is ${top} s; a limit of ${signal.rollback} s ` +
      `can't be seen in it. Lower the limit or add a bucket.`,
  };
}

/** The interpolated quantile in seconds, for people only: no verdict rests on it. */
export function interpolateQuantile(point: LatencyPoint, quantile: number): number | null {
  const total = point.buckets.at(-1)?.perSecond ?? 0;
  if (!(total > 0)) return null;
  const rank = quantile * total;
  let below = { le: 0, perSecond: 0 };
  for (const bucket of point.buckets) {
    if (bucket.perSecond >= rank) {
      if (!Number.isFinite(bucket.le)) return below.le;
      const width = bucket.perSecond - below.perSecond;
      if (width <= 0) return bucket.le;
      return below.le + ((bucket.le - below.le) * (rank - below.perSecond)) / width;
    }
    below = bucket;
  }
  return below.le;
}

/**
 * The boundary in seconds that stands for the rollback limit of a latency; null where no finite one
 * does, or the signal is another.
 */
export function boundaryOf(signal: ResolvedSignal, raw: RawPoints): number | null {
  const newest = raw.kind === 'latency' ? raw.points.at(-1) : undefined;
  const limit = signal.rollback ?? Infinity;
  return newest?.buckets.find(({ le }) => le >= limit && Number.isFinite(le))?.le ?? null;
}

/** Every point of one answer with its level, in the order it came. */
export function judgePoints(
  signal: ResolvedSignal,
  raw: RawPoints,
  windowSeconds: number,
): readonly JudgedPoint[] {
  switch (raw.kind) {
    case 'requests':
      return raw.points.map((point) => judgeRequests(signal, point, windowSeconds));
    case 'latency':
      return raw.points.map((point) => judgeLatency(signal, point, windowSeconds));
    case 'value':
      return raw.points.map((point) => {
        if (!Number.isFinite(point.value)) {
          return unknown(point.timeMs, notFinite(point.value), null);
        }
        return plainPoint(point.timeMs, levelOf(signal, point.value), point.value);
      });
    case 'pods':
      return judgePods(signal, raw.points);
    case 'handshakes':
      return judgeHandshakes(signal, raw.points);
  }
}

/** A point that is known and counts no requests. */
export function plainPoint(timeMs: number, level: Level, value: number): JudgedPoint {
  return { timeMs, level, advanceLevel: level, value, requestsPerSecond: null, absence: null };
}
