// How often a metric server scrapes: as its configuration says, or else measured once by the
// counters of requests of the objects. Until that is known it is assumed.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Problem } from '../core/model.ts';
import type { Log } from '../runtime/log.ts';
import type { MetricSource, ServerSettings } from './port.ts';
import { scrapesQuery } from './queries.ts';
import { dialectOf } from './signalQueries.ts';
import { chooseWindow } from './windows.ts';

export interface ScrapesOptions {
  readonly source: MetricSource;
  readonly settings: ServerSettings;
  readonly log: Log;
  /** namespace/name of every object of the server, with a canary or without. */
  readonly keys: () => Iterable<string>;
  /** The interval is known, or the server has said for the first time that nothing tells it. */
  readonly onNews: () => void;
}

/** Long enough for two scrapes of the slowest. */
const rangeMs = 300_000;
/** What people configure; a range holds a sample more or less, as its edges fall. */
const usualMs = [1, 2, 5, 10, 15, 20, 30, 60, 120].map((seconds) => 1_000 * seconds);

export class Scrapes {
  readonly #options: ScrapesOptions;
  #settings: ServerSettings;
  /** The server has answered, be it that there is nothing to measure by. */
  #isAnswered = false;
  #underWay: Promise<void> | null = null;

  constructor(options: ScrapesOptions) {
    this.#options = options;
    this.#settings = options.settings;
  }

  /** With the interval that is known by now. */
  get settings(): ServerSettings {
    return this.#settings;
  }

  /** Asks the server as long as the interval is assumed; two who want to know share a query. */
  measure(): Promise<void> {
    if (this.#settings.scrapeIntervalIsAssumed !== true) return Promise.resolve();
    this.#underWay ??= this.#ask().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /** Why the signals can't be judged at this interval; null when they can. */
  problemOf(signals: readonly ResolvedSignal[]): Problem | null {
    const { scrapeIntervalMs, scrapeIntervalIsAssumed = false } = this.#settings;
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
    const { source, log, keys, onNews } = this.#options;
    const namespaces = [...new Set([...keys()].map((key) => key.slice(0, key.indexOf('/'))))];
    if (namespaces.length === 0) return;
    const { name, lagMs } = this.#settings;
    const query = scrapesQuery({ namespaces, only: null }, dialectOf(this.#settings), rangeMs);
    let samples = 0;
    const answer = await source.instant(query, source.nowMs() - lagMs, (row) => {
      samples = row.samples[0]?.[1] ?? 0;
    });
    if (!answer.ok) return;
    const isFirst = !this.#isAnswered;
    this.#isAnswered = true;
    if (samples > 0) {
      const scrapeIntervalMs = nearestUsual(rangeMs / samples);
      this.#settings = { ...this.#settings, scrapeIntervalMs, scrapeIntervalIsAssumed: false };
      log('info', 'scrape interval measured', { server: name, seconds: scrapeIntervalMs / 1000 });
    }
    if (samples > 0 || isFirst) onNews();
  }
}

/** Nearest by ratio: 40 s is as far from 20 s as from 80 s. */
function nearestUsual(ms: number): number {
  const distance = (usual: number): number => Math.abs(Math.log(usual / ms));
  return usualMs.reduce((best, usual) => (distance(usual) < distance(best) ? usual : best));
}
