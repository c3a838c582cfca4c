// Turns rows that name pods into points of both revisions: gauges, and the raw counters of
// handshakes. Pure, as rows.ts is.
import type { EvidencePod, HandshakeCounters } from '../core/evidence.ts';
import type { MetricRow } from './port.ts';
import { momentLabel, sourceLabel } from './queries.ts';
import { preferred } from './rows.ts';
import type { Points } from './rows.ts';

/** The rows of each revision, and its pods as the cluster has them. */
export interface PodRows {
  readonly podLabel: string;
  readonly canary: { readonly rows: readonly MetricRow[]; readonly pods: readonly EvidencePod[] };
  readonly stable: { readonly rows: readonly MetricRow[]; readonly pods: readonly EvidencePod[] };
}

/**
 * A gauge of each pod that is still there. `onlyReady` leaves out what a pod said before it was
 * Ready; of several metrics the first that a revision has counts, or with `all` the highest.
 */
export function gaugePoints(
  { podLabel, canary, stable }: PodRows,
  how: { readonly onlyReady: boolean; readonly all: boolean },
): Points {
  const read = ({ rows, pods }: PodRows['canary']): Map<number, Record<string, number>> => {
    const ready = readySince(pods);
    const byTime = new Map<number, Record<string, number>>();
    for (const row of how.all ? rows : preferred(rows)) {
      const pod = row.labels[podLabel] ?? '';
      const sinceMs = ready.get(pod);
      if (sinceMs === undefined || (how.onlyReady && sinceMs === null)) continue;
      for (const [timeMs, value] of row.samples) {
        if (how.onlyReady && sinceMs !== null && timeMs < sinceMs) continue;
        const values = byTime.get(timeMs) ?? byPod<number>();
        values[pod] = Math.max(values[pod] ?? value, value);
        byTime.set(timeMs, values);
      }
    }
    return byTime;
  };
  return { ok: true, points: { kind: 'pods', points: joined(read(canary), read(stable)) } };
}

/** What was asked for: the first time, how long before it marked rows were, and the scrapes. */
export interface HandshakesAsked {
  readonly firstMs: number;
  readonly beforeMs: number;
  readonly scrapeIntervalMs: number;
}

/**
 * Raw counters of the handshakes of each pod since it is Ready; rows that are marked so say what
 * was `beforeMs` before. A pod that was scraped before its first series was born has a point
 * without counters first.
 */
export function handshakePoints(
  { podLabel, canary, stable }: PodRows,
  { firstMs, beforeMs, scrapeIntervalMs }: HandshakesAsked,
): Points {
  type Counters = Record<string, { -readonly [K in keyof HandshakeCounters]: number | null }>;
  const read = ({ rows, pods }: PodRows['canary']): Map<number, Counters> => {
    const ready = readySince(pods);
    const byTime = new Map<number, Counters>();
    for (const { labels, samples } of rows) {
      const pod = labels[podLabel] ?? '';
      const sinceMs = ready.get(pod) ?? null;
      if (sinceMs === null) continue;
      for (const [evaluatedMs, value] of samples) {
        const timeMs = evaluatedMs - (labels[momentLabel] === 'before' ? beforeMs : 0);
        if (timeMs < sinceMs) continue;
        const counters = byTime.get(timeMs) ?? byPod<Counters[string]>();
        const own = (counters[pod] ??= { failures: null, successes: null });
        own[labels[sourceLabel] === '1' ? 'successes' : 'failures'] = value;
        byTime.set(timeMs, counters);
      }
    }
    for (const [pod, sinceMs] of ready) {
      const times = [...byTime].flatMap(([timeMs, counters]) => (counters[pod] ? [timeMs] : []));
      const bornMs = Math.min(...times);
      const wasScraped = sinceMs !== null && bornMs >= sinceMs + 3 * scrapeIntervalMs;
      if (times.length === 0 || bornMs <= firstMs || !wasScraped) continue;
      const beforeBirthMs = bornMs - scrapeIntervalMs;
      const counters = byTime.get(beforeBirthMs) ?? byPod<Counters[string]>();
      counters[pod] = { failures: null, successes: null };
      byTime.set(beforeBirthMs, counters);
    }
    return byTime;
  };
  const points = joined(read(canary), read(stable));
  return { ok: true, points: { kind: 'handshakes', points } };
}

/** Without a prototype, so that V8 makes no hidden class for each pod's name, and keeps none. */
function byPod<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>;
}

function readySince(pods: readonly EvidencePod[]): ReadonlyMap<string, number | null> {
  return new Map(pods.map(({ name, readySinceMs }) => [name, readySinceMs]));
}

type ByTime<T> = ReadonlyMap<number, Readonly<Record<string, T>>>;

/** What both revisions' pods said at each time at which the canary's said anything. */
function joined<T>(canary: ByTime<T>, stable: ByTime<T>) {
  return [...canary]
    .toSorted(([a], [b]) => a - b)
    .map(([timeMs, pods]) => ({ timeMs, canary: pods, stable: stable.get(timeMs) ?? {} }));
}
