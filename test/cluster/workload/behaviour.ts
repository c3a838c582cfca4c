// Decides what the sample workload does next: whether a request fails or is slow, how much memory
// is held, which handshakes failed, when to crash. It only counts and has no timer of its own.

import type { Settings } from './settings.ts';

/** What one request will get. */
export interface Outcome {
  readonly failed: boolean;
  readonly latencyMs: number;
}

/** The behaviour of one pod over time, as its settings say. */
export class Behaviour {
  #settings: Settings;
  readonly #nowMs: () => number;
  #changedAtMs: number;
  #judged = 0;
  #timed = 0;
  #handshakeFailures = 0;
  #handshakeFailuresSettled = 0;

  /** `nowMs` is a monotonic clock. */
  constructor(settings: Settings, nowMs: () => number) {
    this.#settings = settings;
    this.#nowMs = nowMs;
    this.#changedAtMs = nowMs();
  }

  /** The settings in force. */
  get settings(): Settings {
    return this.#settings;
  }

  /** Puts new settings in force; every time and every ratio starts anew. */
  change(partial: Partial<Settings>): void {
    this.#handshakeFailuresSettled = this.handshakeFailures();
    this.#settings = { ...this.#settings, ...partial };
    this.#changedAtMs = this.#nowMs();
    this.#judged = 0;
    this.#timed = 0;
  }

  /** What the next request gets. Errors and slow requests are spread evenly, not at random. */
  nextRequest(): Outcome {
    const { errorRatio, latencyMs, latencyRatio } = this.#settings;
    const failed = this.#errorsAreOn() && isHit(++this.#judged, errorRatio);
    const slow = latencyMs > 0 && isHit(++this.#timed, latencyRatio);
    return { failed, latencyMs: slow ? latencyMs : 0 };
  }

  /** Memory that should be held now, in bytes. */
  memoryBytes(): number {
    const { memoryMbPerSecond, memoryMaxMb } = this.#settings;
    return Math.min(this.#ageSeconds() * memoryMbPerSecond, memoryMaxMb) * 1e6;
  }

  /** Handshake failures since the start; never falls, whatever the settings become. */
  handshakeFailures(): number {
    const since = Math.floor(this.#ageSeconds() * this.#settings.pqcFailuresPerSecond);
    // A clock step or rounding must not make a counter fall.
    this.#handshakeFailures = Math.max(
      this.#handshakeFailures,
      this.#handshakeFailuresSettled + since,
    );
    return this.#handshakeFailures;
  }

  /** Whether the process should have crashed by now. */
  isCrashDue(): boolean {
    const { crashAfterSeconds } = this.#settings;
    return crashAfterSeconds !== null && this.#ageSeconds() >= crashAfterSeconds;
  }

  #errorsAreOn(): boolean {
    const { errorAfterSeconds, errorForSeconds } = this.#settings;
    const sinceSeconds = this.#ageSeconds() - errorAfterSeconds;
    return sinceSeconds >= 0 && (errorForSeconds === null || sinceSeconds < errorForSeconds);
  }

  #ageSeconds(): number {
    return (this.#nowMs() - this.#changedAtMs) / 1000;
  }
}

/**
 * Whether request number `count` (from 1) is among the hits: of any n, n x ratio are, give or take
 * 1.
 */
function isHit(count: number, ratio: number): boolean {
  // The margin keeps 10 x 0.1 from counting as 0.9999….
  const hitsUpTo = (number: number): number => Math.floor(number * ratio + 1e-9);
  return hitsUpTo(count) > hitsUpTo(count - 1);
}
