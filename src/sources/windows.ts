// The lengths of time that a look is made of: the window of a rate, the grid of a range query, how
// often to poll and how far back to read. Pure arithmetic of evidence.md, "Time and windows".
import type { ResolvedSignal } from '../api/defaults.ts';

/** The window of a signal's rates, or why no window can judge it on this server. */
export type WindowChoice =
  | { readonly ok: true; readonly windowMs: number }
  | {
      readonly ok: false;
      readonly reason: 'HoldShorterThanScrapeAllows' | 'WindowOutOfBounds';
      readonly message: string;
    };

/** A rate needs two samples at both edges; Prometheus 3's ranges are open on the left. */
const leastScrapesPerWindow = 2.5;
const scrapesPerWindow = 4;
const longestDefaultWindowMs = 60_000;
const leastPollMs = 5_000;

/** The least window: 2.5 scrape intervals. */
export function leastWindowMs(scrapeIntervalMs: number): number {
  return leastScrapesPerWindow * scrapeIntervalMs;
}

/**
 * W = max(4 S, min(1 m, for / 5)), at most for / 2, never under 2.5 S. A window that the signal
 * names must lie within the same bounds. A signal without a hold has no upper bound.
 */
export function chooseWindow(
  signal: Pick<ResolvedSignal, 'forSeconds' | 'windowSeconds'>,
  scrapeIntervalMs: number,
): WindowChoice {
  const forMs = signal.forSeconds * 1000;
  const leastMs = leastWindowMs(scrapeIntervalMs);
  const mostMs = forMs > 0 ? forMs / 2 : Infinity;
  if (leastMs > mostMs) {
    const least = (2 * leastMs) / 1000;
    return {
      ok: false,
      reason: 'HoldShorterThanScrapeAllows',
      message:
        `HoldShorterThanScrapeAllows: a hold of ${signal.forSeconds} s cannot be judged ` +
        `at a scrape interval of ${scrapeIntervalMs / 1000} s; ` +
        `make it at least ${least} s or scrape more often.`,
    };
  }
  if (signal.windowSeconds !== null) return namedWindow(signal.windowSeconds, leastMs, mostMs);
  const fifthMs = forMs > 0 ? forMs / 5 : Infinity;
  const wishMs = Math.max(
    scrapesPerWindow * scrapeIntervalMs,
    Math.min(longestDefaultWindowMs, fifthMs),
  );
  return { ok: true, windowMs: Math.round(Math.max(leastMs, Math.min(wishMs, mostMs))) };
}

function namedWindow(windowSeconds: number, leastMs: number, mostMs: number): WindowChoice {
  const windowMs = Math.round(windowSeconds * 1000);
  if (windowMs >= leastMs && windowMs <= mostMs) return { ok: true, windowMs };
  return {
    ok: false,
    reason: 'WindowOutOfBounds',
    message:
      `WindowOutOfBounds: a window of ${windowSeconds} s ` +
      `is outside ${leastMs / 1000} s (2.5 scrape ` +
      `intervals) to ${mostMs / 1000} s (half of the hold).`,
  };
}

/** The last multiple of stepMs, counted from the epoch, at or before timeMs. */
export function gridFloor(timeMs: number, stepMs: number): number {
  return Math.floor(timeMs / stepMs) * stepMs;
}

/** The first multiple of stepMs at or after timeMs. */
export function gridCeil(timeMs: number, stepMs: number): number {
  return Math.ceil(timeMs / stepMs) * stepMs;
}

/** How often a server is asked: max(5 s, S), unless the configuration says otherwise. */
export function pollIntervalOf(scrapeIntervalMs: number, configuredMs: number | null): number {
  return configuredMs ?? Math.max(leastPollMs, scrapeIntervalMs);
}

/**
 * How far back a range reads: twice the longest `for`, and the step's hold with a `for` before it.
 */
export function horizonOf(
  signals: readonly Pick<ResolvedSignal, 'forSeconds' | 'clearSeconds'>[],
  stepHoldSeconds: number,
): number {
  const longestForMs = Math.max(
    0,
    ...signals.map(({ forSeconds, clearSeconds }) => Math.max(forSeconds, clearSeconds) * 1000),
  );
  return Math.max(2 * longestForMs, stepHoldSeconds * 1000 + longestForMs);
}
