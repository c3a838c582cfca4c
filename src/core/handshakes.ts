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
  // Asked for a breach only.
  let stable: Handshakes | null = null;
  let start = 0;
  return points.flatMap((point, i) => {
    while ((points[start]?.timeMs ?? point.timeMs) < point.timeMs - windowMs) start++;
    if (isEmpty(point.canary)) return [];
    // The point before the window says what was counted before it.
    const before = Math.max(0, start - 1);
    const counted = canary.between(before, i);
    const level = levelOf(signal, counted.failures);
    if (level !== 'Breach') return plainPoint(point.timeMs, level, counted.failures);
    stable ??= new Handshakes(points, 'stable');
    const blames = isWorse(counted, stable.between(before, i));
    return plainPoint(point.timeMs, blames ? level : 'Critical', counted.failures);
  });
}

function isEmpty(counters: HandshakesPoint['canary']): boolean {
  for (const _ in counters) return false;
  return true;
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
  readonly #failures: number[] = [];
  readonly #successes: number[] = [];
  /** How many values of successes there were. */
  readonly #successesKnown: number[] = [];

  constructor(points: readonly HandshakesPoint[], role: Role) {
    const failures = new Rise('failures');
    const successes = new Rise('successes');
    for (const { [role]: counters } of points) {
      for (const pod in counters) {
        failures.add(pod, counters[pod] ?? none);
        successes.add(pod, counters[pod] ?? none);
      }
      this.#failures.push(failures.sum);
      this.#successes.push(successes.sum);
      this.#successesKnown.push(successes.known);
    }
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
