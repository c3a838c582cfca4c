// Sums the outcomes of load requests up by the version that answered: status codes, failures,
// latencies and a line a second. It sends nothing, and its memory is bounded.

import { Histogram } from './histogram.ts';

/** Who answered when no `x-version` came: a gateway's own answer, or nobody. */
export const UNKNOWN_VERSION = 'unknown';

/** How one request ended. */
export type Outcome =
  | { readonly kind: 'answer'; readonly version: string; readonly status: number }
  /**
   * No whole answer; the version is known if the headers came. `code` is for example ECONNRESET.
   */
  | { readonly kind: 'failure'; readonly version: string; readonly code: string };

/** What one version answered. */
export interface VersionReport {
  /** Requests that ended, failures included. */
  readonly requests: number;
  readonly byStatus: Readonly<Record<string, number>>;
  /** Requests without a whole answer, by the code of the error. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of whole answers, in ms; null without one. */
  readonly latencyMs: {
    readonly p50: number | null;
    readonly p95: number | null;
    readonly p99: number | null;
  };
}

/** One second of the run, by version. */
export interface SecondReport {
  /** Seconds from the start. */
  readonly second: number;
  /** `failed`: answered with 500 or above, or not at all. */
  readonly versions: Readonly<
    Record<string, { readonly requests: number; readonly failed: number }>
  >;
}

/** What came of a run so far. */
export interface LoadReport {
  /** Requests begun. */
  readonly sent: number;
  /** Requests that were due and not begun, as too many were under way. */
  readonly skipped: number;
  /** Requests under way. */
  readonly inFlight: number;
  readonly versions: Readonly<Record<string, VersionReport>>;
  /** Seconds with at least one request that ended, by the time each began, oldest first. */
  readonly timeline: readonly SecondReport[];
}

/** More versions than this, or error codes, are counted together as 'other'. */
const MAX_KEYS = 20;

interface VersionCounts {
  requests: number;
  readonly byStatus: Map<string, number>;
  readonly failures: Map<string, number>;
  readonly latency: Histogram;
}

interface SecondCounts {
  requests: number;
  failed: number;
}

/**
 * Collects outcomes. `maxSeconds` bounds the timeline; later requests count for its last second.
 */
export class LoadStatistics {
  readonly #maxSeconds: number;
  readonly #versions = new Map<string, VersionCounts>();
  readonly #timeline = new Map<number, Map<string, SecondCounts>>();
  #sent = 0;
  #ended = 0;
  #skipped = 0;

  constructor(maxSeconds: number) {
    this.#maxSeconds = maxSeconds;
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#sent - this.#ended;
  }

  /** Counts the beginning of a request. */
  begun(): void {
    this.#sent += 1;
  }

  /** Counts requests that were due and not sent. */
  skip(count: number): void {
    this.#skipped += count;
  }

  /** Counts the end of a request that began `startedMs` into the run. */
  ended(startedMs: number, latencyMs: number, outcome: Outcome): void {
    this.#ended += 1;
    const name = boundedKey(this.#versions, outcome.version);
    const version = entry(this.#versions, name, newVersion);
    version.requests += 1;
    if (outcome.kind === 'answer') {
      increment(version.byStatus, String(outcome.status));
      version.latency.add(latencyMs);
    } else {
      increment(version.failures, boundedKey(version.failures, outcome.code));
    }
    const second = Math.min(Math.floor(startedMs / 1000), this.#maxSeconds - 1);
    const versions = entry(this.#timeline, second, () => new Map<string, SecondCounts>());
    const counts = entry(versions, name, () => ({ requests: 0, failed: 0 }));
    counts.requests += 1;
    if (outcome.kind === 'failure' || outcome.status >= 500) counts.failed += 1;
  }

  /** What was counted so far, as a copy. */
  report(): LoadReport {
    const seconds = [...this.#timeline].toSorted(([a], [b]) => a - b);
    return {
      sent: this.#sent,
      skipped: this.#skipped,
      inFlight: this.inFlight,
      versions: Object.fromEntries(
        [...this.#versions].map(([name, counts]) => [name, versionReport(counts)]),
      ),
      timeline: seconds.map(([second, versions]) => ({
        second,
        versions: Object.fromEntries([...versions].map(([name, counts]) => [name, { ...counts }])),
      })),
    };
  }
}

function newVersion(): VersionCounts {
  return { requests: 0, byStatus: new Map(), failures: new Map(), latency: new Histogram() };
}

function versionReport({ requests, byStatus, failures, latency }: VersionCounts): VersionReport {
  return {
    requests,
    byStatus: Object.fromEntries(byStatus),
    failures: Object.fromEntries(failures),
    latencyMs: {
      p50: latency.quantile(0.5),
      p95: latency.quantile(0.95),
      p99: latency.quantile(0.99),
    },
  };
}

function boundedKey(map: ReadonlyMap<string, unknown>, key: string): string {
  return map.has(key) || map.size < MAX_KEYS ? key : 'other';
}

function increment(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function entry<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created = create();
  map.set(key, created);
  return created;
}
