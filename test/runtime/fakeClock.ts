// A clock that stands still until it is told to go on. It fires timers in the order of their time
// and lets all promises settle after each.
import type { Cancel, Clock } from '../../src/runtime/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly fn: () => void;
}

export class FakeClock implements Clock {
  readonly #startMs: number;
  readonly #timers = new Set<Timer>();
  #monotonicMs = 0;
  #sequence = 0;

  /** `startMs` is the wall clock at the beginning. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#startMs + this.#monotonicMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(ms: number, fn: () => void): Cancel {
    const timer = { atMs: this.#monotonicMs + Math.max(ms, 0), sequence: this.#sequence++, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** How long until the next timer; undefined when there is none. */
  nextTimerMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.atMs - this.#monotonicMs;
  }

  /** Goes on by `ms`, firing what becomes due on the way, also timers that are set on the way. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.atMs <= untilMs; next = this.#next()) {
      this.#monotonicMs = next.atMs;
      this.#timers.delete(next);
      next.fn();
      await settle();
    }
    this.#monotonicMs = untilMs;
    await settle();
  }

  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      const earlier =
        first === undefined ||
        timer.atMs < first.atMs ||
        (timer.atMs === first.atMs && timer.sequence < first.sequence);
      if (earlier) first = timer;
    }
    return first;
  }
}

/** Resolves when every promise that can settle without time or I/O has done so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
