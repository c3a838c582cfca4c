// How often a metric server scrapes: as its configuration says, or else measured by the counters of
// requests of the objects, until it was twice alike. Until it is known it is assumed.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Problem } from '../core/model.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { MetricSource, ServerSettings } from './port.ts';
import { scrapesQuery } from './queries.ts';
import { dialectOf } from './signalQueries.ts';
import { chooseWindow } from './windows.ts';

export interface ScrapesOptions {
  readonly source: MetricSource;
  readonly settings: ServerSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** namespace/name of every object of the server, with a canary or without. */
  readonly keys: () => Iterable<string>;
  /** The interval is known, or the server has said for the first time that nothing tells it. */
  readonly onNews: () => void;
}

/** Long enough for two scrapes of the slowest. */
const rangeMs = 300_000;
/** After an answer that tells nothing, and twice as long each time, up to the range. */
const leastWaitMs = 5_000;
/** What people configure; a range holds a sample more or less, as its edges fall. */
const usualMs = [1, 2, 5, 10, 15, 20, 30, 60, 120].map((seconds) => 1_000 * seconds);

export class Scrapes {
  readonly #options: ScrapesOptions;
  #settings: ServerSettings;
  /** The server has answered, be it that there is nothing to measure by. */
  #isAnswered = false;
  /** Configured, or measured twice alike: a gap in the server's own scrapes is over by then. */
  #isSettled: boolean;
  /** By the monotonic clock. */
  #againAtMs = -Infinity;
  #waitMs = leastWaitMs;
  #underWay: Promise<void> | null = null;

  constructor(options: ScrapesOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#isSettled = !options.settings.scrapeIntervalIsAssumed;
  }

  /** With the interval that is known by now. */
  get settings(): ServerSettings {
    return this.#settings;
  }

  /** Asks the server until it is sure of the interval; two who want to know share a query. */
  measure(): Promise<void> {
    if (this.#isSettled || this.#options.clock.monotonicMs() < this.#againAtMs) {
      return Promise.resolve();
    }
    this.#underWay ??= this.#ask().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /** Why the signals can't be judged at this interval; null when they can. */
  problemOf(signals: readonly ResolvedSignal[]): Problem | null {
    const { scrapeIntervalMs, scrapeIntervalIsAssumed } = this.#settings;
    // After a restart an object is not invalid for as long as nobody was asked.
    if (scrapeIntervalIsAssumed && !this.#isAnswered) return null;
    const hint = scrapeIntervalIsAssumed
      ? ' The interval is assumed, since no counter of requests tells it yet; ' +
        "set scrapeInterval in the operator's configuration."
      : '';
    for (const signal of signals) {
      // These have no hold that a scrape could be too slow for.
      if (['availability', 'pqcHandshakeFailures', 'pqcFallback'].includes(signal.kind)) continue;
      const choice = chooseWindow(signal, scrapeIntervalMs);
      if (choice.ok) continue;
      const reason = choice.reason === 'WindowOutOfBounds' ? 'InvalidSpec' : choice.reason;
      return { reason, message: `spec.signals[${signal.name}]: ${choice.message}${hint}` };
    }
    return null;
  }

  async #ask(): Promise<void> {
    const { source, clock, keys, onNews } = this.#options;
    const namespaces = [...new Set([...keys()].map((key) => key.slice(0, key.indexOf('/'))))];
    if (namespaces.length === 0) return;
    const query = scrapesQuery({ namespaces, only: null }, dialectOf(this.#settings), rangeMs);
    let samples = 0;
    const answer = await source.instant(query, source.nowMs() - this.#settings.lagMs, (row) => {
      samples = row.samples[0]?.[1] ?? 0;
    });
    const isTold = answer.ok && samples > 0;
    this.#againAtMs = clock.monotonicMs() + (isTold ? rangeMs : this.#waitMs);
    this.#waitMs = Math.min(2 * this.#waitMs, rangeMs);
    if (!answer.ok) return;
    const isFirst = !this.#isAnswered;
    this.#isAnswered = true;
    const isNew = isTold && this.#take(nearestUsual(rangeMs / samples));
    if (isNew || isFirst) onNews();
  }

  /** True when it was not known. */
  #take(scrapeIntervalMs: number): boolean {
    const { scrapeIntervalIsAssumed, name, scrapeIntervalMs: before } = this.#settings;
    this.#isSettled = !scrapeIntervalIsAssumed && scrapeIntervalMs === before;
    if (this.#isSettled) return false;
    this.#settings = { ...this.#settings, scrapeIntervalMs, scrapeIntervalIsAssumed: false };
    const seconds = scrapeIntervalMs / 1000;
    this.#options.log('info', 'scrape interval measured', { server: name, seconds });
    return true;
  }
}

/** Nearest by ratio: ten seconds are little in a minute, and much in five seconds. */
function nearestUsual(ms: number): number {
  const distance = (usual: number): number => Math.abs(Math.log(usual / ms));
  return usualMs.reduce((best, usual) => (distance(usual) < distance(best) ? usual : best));
}
