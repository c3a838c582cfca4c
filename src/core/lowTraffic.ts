// Where too many windows have too few requests to say anything, two windows together may have
// enough (evidence.md, "A hold"). It pools counts; signals.ts judges them like any others.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { LatencyPoint, RawPoints, RequestPoint } from './evidence.ts';
import { judgePoints } from './signals.ts';
import type { JudgedPoint } from './signals.ts';

/** With a larger share of such points, in a hold or in the whole range, two windows are tried. */
const mostTooFew = 0.2;

export interface Grid {
  /** Of the rates behind one point. */
  readonly windowSeconds: number;
  readonly stepSeconds: number;
  /** By the metric server's clock. */
  readonly nowMs: number;
}

/** The points of a range with their levels; one with too few requests over two windows. */
export function judgeHistory(
  signal: ResolvedSignal,
  raw: RawPoints,
  grid: Grid,
): readonly JudgedPoint[] {
  const points = judgePoints(signal, raw, grid.windowSeconds);
  const ofHold = points.filter(({ timeMs }) => timeMs >= grid.nowMs - signal.forSeconds * 1000);
  if (!areOftenTooFew(ofHold) && !areOftenTooFew(points)) return points;
  const wider = pooled(raw, grid);
  if (wider === null) return points;
  const judged = judgePoints(signal, wider, 2 * grid.windowSeconds);
  const byTime = new Map(judged.map((point) => [point.timeMs, point]));
  return points.map((point) => (hasTooFew(point) ? (byTime.get(point.timeMs) ?? point) : point));
}

function hasTooFew({ absence }: JudgedPoint): boolean {
  return absence?.reason === 'TooFewRequests';
}

function areOftenTooFew(points: readonly JudgedPoint[]): boolean {
  return points.filter(hasTooFew).length > mostTooFew * points.length;
}

/**
 * Each point together with the one a window before it, which shares no request with it; without
 * those that have no such point before them. Null where the points count no requests, or are
 * further apart than their windows are long.
 */
function pooled(raw: RawPoints, { windowSeconds, stepSeconds }: Grid): RawPoints | null {
  if (stepSeconds > windowSeconds) return null;
  const apartMs = Math.ceil(windowSeconds / stepSeconds) * stepSeconds * 1000;
  if (raw.kind === 'requests') {
    return { kind: 'requests', points: inPairs(raw.points, apartMs, requestsOfBoth) };
  }
  if (raw.kind !== 'latency') return null;
  return { kind: 'latency', points: inPairs(raw.points, apartMs, bucketsOfBoth) };
}

function inPairs<P extends { readonly timeMs: number }>(
  points: readonly P[],
  apartMs: number,
  join: (earlier: P, later: P) => P | null,
): readonly P[] {
  const byTime = new Map(points.map((point) => [point.timeMs, point]));
  return points.flatMap((later) => {
    const earlier = byTime.get(later.timeMs - apartMs);
    return earlier === undefined ? [] : (join(earlier, later) ?? []);
  });
}

function requestsOfBoth(earlier: RequestPoint, later: RequestPoint): RequestPoint {
  const rates = new Map<string, number>();
  for (const { code, perSecond } of [...earlier.byCode, ...later.byCode]) {
    rates.set(code, (rates.get(code) ?? 0) + perSecond / 2);
  }
  return {
    timeMs: later.timeMs,
    byCode: Array.from(rates, ([code, perSecond]) => ({ code, perSecond })),
  };
}

/** Null where the two have other boundaries. */
function bucketsOfBoth(earlier: LatencyPoint, later: LatencyPoint): LatencyPoint | null {
  const { buckets } = earlier;
  const isSame =
    buckets.length === later.buckets.length &&
    later.buckets.every(({ le }, i) => le === buckets[i]?.le);
  if (!isSame) return null;
  return {
    timeMs: later.timeMs,
    buckets: later.buckets.map(({ le, perSecond }, i) => {
      return { le, perSecond: (perSecond + (buckets[i]?.perSecond ?? 0)) / 2 };
    }),
  };
}
