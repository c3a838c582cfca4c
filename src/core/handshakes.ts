// Counts post-quantum handshakes that failed, from the pods' raw counters: exactly, since a rate
// would count each several times. The limit is a number within a window, and no hold.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { HandshakeCounters, HandshakesPoint } from './evidence.ts';
import { levelOf, plainPoint } from './signals.ts';
import type { JudgedPoint } from './signals.ts';

/** More than this share of the handshakes must fail, where successes are exported. */
const leastShare = 0.01;

interface Counted {
  readonly failures: number;
  /** Null where no pod exports successes. */
  readonly successes: number | null;
}

/** One point for each time: the failures within the window that ends there. */
export function judgeHandshakes(
  signal: ResolvedSignal,
  points: readonly HandshakesPoint[],
): readonly JudgedPoint[] {
  const windowMs = signal.forSeconds * 1000;
  const born = { canary: firstCounters(points, 'canary'), stable: firstCounters(points, 'stable') };
  let start = 0;
  return points.flatMap((point, i) => {
    while ((points[start]?.timeMs ?? point.timeMs) < point.timeMs - windowMs) start++;
    if (Object.keys(point.canary).length === 0) return [];
    // The point before the window says what a series that it lacks was before.
    const window = points.slice(Math.max(0, start - 1), i + 1);
    const canary = countIn(window, 'canary', born.canary);
    const level = levelOf(signal, canary.failures);
    const blames = level !== 'Breach' || isWorse(canary, countIn(window, 'stable', born.stable));
    return plainPoint(point.timeMs, blames ? level : 'Critical', canary.failures);
  });
}

type Role = 'canary' | 'stable';

/** The counters of each pod when it was first seen Ready. */
function firstCounters(
  points: readonly HandshakesPoint[],
  role: Role,
): ReadonlyMap<string, HandshakeCounters> {
  const first = new Map<string, HandshakeCounters>();
  for (const point of points) {
    for (const [pod, counters] of Object.entries(point[role])) {
      if (!first.has(pod)) first.set(pod, counters);
    }
  }
  return first;
}

/** Stable shares the fault when it fails as often over at least as many handshakes. */
function isWorse(canary: Counted, stable: Counted): boolean {
  if (canary.successes === null) return true;
  const all = canary.failures + canary.successes;
  if (canary.failures <= leastShare * all) return false;
  const stableAll = stable.failures + (stable.successes ?? 0);
  return stableAll < all || stable.failures * all < canary.failures * stableAll;
}

/** What the pods' counters rose by within a run of points. */
function countIn(
  window: readonly HandshakesPoint[],
  role: Role,
  born: ReadonlyMap<string, HandshakeCounters>,
): Counted {
  const pods = new Set(window.flatMap((point) => Object.keys(point[role])));
  let failures = 0;
  let successes: number | null = null;
  for (const pod of pods) {
    const rise = (name: keyof HandshakeCounters): number | null => {
      const values = window.map((point) => point[role][pod]?.[name] ?? null);
      // A series that was born later than its pod counts in full.
      return riseOf(values, born.get(pod)?.[name] === null);
    };
    failures += rise('failures') ?? 0;
    const more = rise('successes');
    if (more !== null) successes = (successes ?? 0) + more;
  }
  return { failures, successes };
}

/** A smaller value is a reset, after which the new value counts. */
function riseOf(values: readonly (number | null)[], bornLater: boolean): number | null {
  let before: number | null = null;
  let sum: number | null = null;
  for (const value of values) {
    if (value === null) continue;
    if (before === null) sum = bornLater && values[0] === null ? value : 0;
    else sum = (sum ?? 0) + (value >= before ? value - before : value);
    before = value;
  }
  return sum;
}
