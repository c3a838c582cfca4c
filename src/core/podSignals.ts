// Judges what each pod reports of itself: memory by the worst pod, CPU by the mean, fallbacks by
// their number, and the availability that the pods' own conditions tell. Points only; holds.ts
// judges runs of them.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { PodsPoint } from './evidence.ts';
import type { BreachHold } from './holds.ts';
import type { RevisionView } from './model.ts';
import { levelOf, plainPoint, worseOf } from './signals.ts';
import type { JudgedPoint } from './signals.ts';

/** One point for each time: the worst pod, the mean, or the count. */
export function judgePods(
  signal: ResolvedSignal,
  points: readonly PodsPoint[],
): readonly JudgedPoint[] {
  if (signal.kind !== 'memory') return points.flatMap((point) => judgeTogether(signal, point));
  return points.flatMap((point) => {
    const pods = Object.values(point.canary).map((value) => judgeMemory(signal, point, value));
    if (pods.length === 0) return [];
    return pods.reduce((a, b) => (worseOf(a.level, b.level) === b.level ? larger(a, b) : a));
  });
}

function larger(a: JudgedPoint, b: JudgedPoint): JudgedPoint {
  return a.level === b.level && (a.value ?? 0) > (b.value ?? 0) ? a : b;
}

/**
 * The points of each pod by itself, since a hold is one pod's; signals that take the pods together
 * have one series.
 */
export function podSeries(
  signal: ResolvedSignal,
  points: readonly PodsPoint[],
): readonly (readonly JudgedPoint[])[] {
  if (signal.kind !== 'memory') return [judgePods(signal, points)];
  const names = new Set(points.flatMap(({ canary }) => Object.keys(canary)));
  return [...names].map((name) =>
    points.flatMap((point) => {
      const value = point.canary[name];
      return value === undefined ? [] : judgeMemory(signal, point, value);
    }),
  );
}

/** Beyond the rollback limit it is a breach only while half of stable's pods are not. */
function judgeMemory(signal: ResolvedSignal, point: PodsPoint, value: number): JudgedPoint {
  const level = levelOf(signal, value);
  if (level !== 'Breach') return plainPoint(point.timeMs, level, value);
  const stable = Object.values(point.stable);
  const fine = stable.filter((other) => levelOf(signal, other) !== 'Breach');
  const isShared = 2 * fine.length < stable.length;
  return plainPoint(point.timeMs, isShared ? 'Critical' : 'Breach', value);
}

function judgeTogether(signal: ResolvedSignal, { timeMs, canary, stable }: PodsPoint) {
  const values = Object.values(canary);
  if (values.length === 0) return [];
  const sum = values.reduce((total, value) => total + value, 0);
  if (signal.kind === 'cpu') {
    const mean = sum / values.length / signal.scale;
    return [plainPoint(timeMs, levelOf(signal, mean), mean)];
  }
  const level = levelOf(signal, sum);
  // What stable reports as well is an incident of both, and no fault of the canary.
  const isShared = Object.values(stable).some((value) => value > 0);
  return [plainPoint(timeMs, isShared && level === 'Breach' ? 'Critical' : level, sum)];
}

export interface Availability {
  readonly point: JudgedPoint;
  readonly breach: BreachHold;
  /** When the newest of the pods that the step began with became Ready again. */
  readonly criticalUntilMs: number | null;
}

/**
 * The share of the needed pods that are available, and since when none is. It counts by the
 * operator's clock, once the canary had weight; null before.
 */
export function judgeAvailability(
  signal: ResolvedSignal,
  canary: RevisionView,
  needed: number,
  nowMs: number,
): Availability | null {
  const { stepStartMs, stepWeight } = canary.record;
  if (stepStartMs === null && stepWeight === null) return null;
  const value = Math.min(1, canary.available / needed);
  const point = plainPoint(nowMs, levelOf(signal, value), value);
  const returned = canary.pods.flatMap(({ readySinceMs, createdAtMs }) =>
    stepStartMs !== null &&
    readySinceMs !== null &&
    createdAtMs < stepStartMs &&
    readySinceMs > stepStartMs
      ? [readySinceMs]
      : [],
  );
  const criticalUntilMs = returned.length === 0 ? null : Math.max(...returned);
  if (point.level !== 'Breach') return { point, breach: { state: 'none' }, criticalUntilMs };
  const sinceMs = downSince(canary, nowMs);
  const holdUntilMs = sinceMs + signal.forSeconds * 1000;
  const breach: BreachHold =
    nowMs >= holdUntilMs
      ? {
          state: 'held',
          sinceMs,
          heldSeconds: (nowMs - sinceMs) / 1000,
          requests: null,
          points: [point],
        }
      : { state: 'suspect', sinceMs, holdUntilMs, requests: null, missingRequests: 0 };
  return { point, breach, criticalUntilMs };
}

/** What was written down counts, save that a pod which is older may have been ready since. */
function downSince({ record, pods, failure }: RevisionView, nowMs: number): number {
  const earliestMs = record.stepStartMs ?? record.attemptStartMs ?? 0;
  const down = pods.filter(({ ready, terminating }) => !ready && !terminating);
  const { downSinceMs } = record;
  if (downSinceMs !== null) {
    const older = down.filter(({ createdAtMs }) => createdAtMs <= downSinceMs);
    const lostMs = older.flatMap(({ notReadySinceMs }) => notReadySinceMs ?? []);
    return Math.max(earliestMs, downSinceMs, ...lostMs);
  }
  const downMs = down.map(({ notReadySinceMs, createdAtMs }) => notReadySinceMs ?? createdAtMs);
  // Without a pod nobody knows since when, unless the ReplicaSet says that it can't make any.
  const unknownMs = failure === null ? nowMs : earliestMs;
  return Math.max(earliestMs, ...(downMs.length === 0 ? [unknownMs] : downMs));
}
