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
  const canary = new Handshakes(points, 'canary');
  const stable = new Handshakes(points, 'stable');
  let start = 0;
  return points.flatMap((point, i) => {
    while ((points[start]?.timeMs ?? point.timeMs) < point.timeMs - windowMs) start++;
    if (Object.keys(point.canary).length === 0) return [];
    // The point before the window says what was counted before it.
    const before = Math.max(0, start - 1);
    const counted = canary.between(before, i);
    const level = levelOf(signal, counted.failures);
    const blames = level !== 'Breach' || isWorse(counted, stable.between(before, i));
    return plainPoint(point.timeMs, blames ? level : 'Critical', counted.failures);
  });
}

type Role = 'canary' | 'stable';

/** Stable shares the fault when it fails as often over at least as many handshakes. */
function isWorse(canary: Counted, stable: Counted): boolean {
  if (canary.successes === null) return true;
  const all = canary.failures + canary.successes;
  if (canary.failures <= leastShare * all) return false;
  const stableAll = stable.failures + (stable.successes ?? 0);
  return stableAll < all || stable.failures * all < canary.failures * stableAll;
}

/** What the counters of a revision's pods rose by, up to each point. */
class Handshakes {
  readonly #failures: readonly number[];
  readonly #successes: readonly number[];
  /** How many values of successes there were. */
  readonly #successesKnown: readonly number[];

  constructor(points: readonly HandshakesPoint[], role: Role) {
    const failures = new Rise('failures');
    const successes = new Rise('successes');
    const sums = points.map((point) => {
      for (const pod in point[role]) {
        failures.add(pod, point[role][pod] ?? none);
        successes.add(pod, point[role][pod] ?? none);
      }
      return [failures.sum, successes.sum, successes.known] as const;
    });
    this.#failures = sums.map(([sum]) => sum);
    this.#successes = sums.map(([, sum]) => sum);
    this.#successesKnown = sums.map(([, , known]) => known);
  }

  /** After one point, up to another one. */
  between(before: number, last: number): Counted {
    const rise = (sums: readonly number[]): number => (sums[last] ?? 0) - (sums[before] ?? 0);
    const isKnown = rise(this.#successesKnown) > 0;
    return { failures: rise(this.#failures), successes: isKnown ? rise(this.#successes) : null };
  }
}

const none: HandshakeCounters = { failures: null, successes: null };

/** One counter of all pods: its values in the order of their times, added up. */
class Rise {
  sum = 0;
  known = 0;
  readonly #name: keyof HandshakeCounters;
  /** The newest value of each pod; null for one that was seen without the series. */
  readonly #newest = new Map<string, number | null>();

  constructor(name: keyof HandshakeCounters) {
    this.#name = name;
  }

  add(pod: string, counters: HandshakeCounters): void {
    const value = counters[this.#name];
    const before = this.#newest.get(pod);
    if (value === null) {
      if (before === undefined) this.#newest.set(pod, null);
      return;
    }
    this.known++;
    this.#newest.set(pod, value);
    // The first value is what was there before; a series that was born later counts in full.
    if (before === undefined) return;
    // A smaller value is a reset, after which the new value counts.
    this.sum += before !== null && value >= before ? value - before : value;
  }
}
