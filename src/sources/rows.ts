// Turns the rows of an answer into the points of one revision, or into the named reason why they
// can't be trusted. Pure: it asks nothing and keeps nothing.
import type {
  Absence,
  LatencyPoint,
  RawPoints,
  RequestPoint,
  ValuePoint,
} from '../core/evidence.ts';
import type { MetricRow } from './port.ts';
import { absence } from './port.ts';
import { replicaSetOfPod, revisionLabel } from './queries.ts';

/** What a query is about: which rows of which answers are whose. */
export interface RevisionName {
  readonly namespace: string;
  readonly replicaSet: string;
}

export type Points =
  | { readonly ok: true; readonly points: RawPoints }
  | { readonly ok: false; readonly absence: Absence };

/** The rows of an answer by the revision that they name, so that a fleet's is read once. */
export function byRevision(rows: readonly MetricRow[]): ReadonlyMap<string, readonly MetricRow[]> {
  return Map.groupBy(rows, ({ labels }) => {
    const replicaSet = labels[revisionLabel] ?? replicaSetOfPod(labels['pod'] ?? '') ?? '';
    return revisionKey({ namespace: labels['namespace'] ?? '', replicaSet });
  });
}

/** The key of a revision's rows. */
export function revisionKey({ namespace, replicaSet }: RevisionName): string {
  return `${namespace}/${replicaSet}`;
}

/** A revision's requests by status. Series without one can't tell an error from a success. */
export function requestPoints(own: readonly MetricRow[], replicaSet: string): Points {
  const codeOf = ({ labels }: MetricRow): string => labels['code'] || labels['status'] || '';
  if (own.some((row) => codeOf(row) === '')) {
    const message =
      `Series of http_requests_total of ${replicaSet} carry neither the label code nor ` +
      `status, so errors can't be told from successes. Add one of them.`;
    return { ok: false, absence: absence('untrusted', 'ProfileMismatch', message) };
  }
  const byTime = new Map<number, Record<string, number>>();
  for (const row of own) {
    for (const [timeMs, value] of row.samples) {
      const codes = byTime.get(timeMs) ?? {};
      codes[codeOf(row)] = (codes[codeOf(row)] ?? 0) + value;
      byTime.set(timeMs, codes);
    }
  }
  const points: RequestPoint[] = ascending(byTime).map(([timeMs, perSecondByCode]) => {
    return { timeMs, perSecondByCode };
  });
  return { ok: true, points: { kind: 'requests', points } };
}

/** A revision's requests at or below each boundary; `1` and `1.0` are one boundary. */
export function latencyPoints(own: readonly MetricRow[]): Points {
  const byTime = new Map<number, Map<number, number>>();
  for (const row of own) {
    const le = row.labels['le'] === '+Inf' ? Infinity : Number(row.labels['le']);
    if (Number.isNaN(le)) continue;
    for (const [timeMs, value] of row.samples) {
      const buckets = byTime.get(timeMs) ?? new Map<number, number>();
      buckets.set(le, (buckets.get(le) ?? 0) + value);
      byTime.set(timeMs, buckets);
    }
  }
  const points: LatencyPoint[] = ascending(byTime).map(([timeMs, buckets]) => ({
    timeMs,
    buckets: ascending(buckets).map(([le, perSecond]) => ({ le, perSecond })),
  }));
  return { ok: true, points: { kind: 'latency', points } };
}

/**
 * A custom query's value: the row that names the ReplicaSet, or its pod-template-hash; one row
 * without any label speaks of the only object that asks.
 */
export function valuePoints(rows: readonly MetricRow[], revision: RevisionName): Points {
  const hash = revision.replicaSet.slice(revision.replicaSet.lastIndexOf('-') + 1);
  const named = rows.filter(
    ({ labels }) =>
      labels['namespace'] === revision.namespace &&
      (labels['replicaset'] === revision.replicaSet || labels['pod_template_hash'] === hash),
  );
  const [only] = rows;
  const isBare = rows.length === 1 && only !== undefined && Object.keys(only.labels).length === 0;
  const own = isBare ? rows : named;
  if (own.length > 1) {
    const message =
      `The query has ${own.length} rows for ${revision.replicaSet}. ` +
      `Aggregate it to one: sum by (namespace, replicaset) (…).`;
    return { ok: false, absence: absence('untrusted', 'AmbiguousSource', message) };
  }
  const points: ValuePoint[] = (own[0]?.samples ?? []).map(([timeMs, value]) => ({
    timeMs,
    value,
  }));
  return { ok: true, points: { kind: 'value', points } };
}

function ascending<T>(byKey: ReadonlyMap<number, T>): [number, T][] {
  return [...byKey].toSorted(([a], [b]) => a - b);
}

/** Only points whose whole window lies after the attempt's start. */
export function since(raw: RawPoints, attemptStartMs: number, windowMs: number): RawPoints {
  const counts = ({ timeMs }: { readonly timeMs: number }): boolean =>
    timeMs - windowMs >= attemptStartMs;
  switch (raw.kind) {
    case 'requests':
      return { kind: raw.kind, points: raw.points.filter(counts) };
    case 'latency':
      return { kind: raw.kind, points: raw.points.filter(counts) };
    case 'value':
      return { kind: raw.kind, points: raw.points.filter(counts) };
  }
}

/** The points at one time: the newest out of a range. */
export function at(raw: RawPoints, wantedMs: number): RawPoints {
  const isThen = ({ timeMs }: { readonly timeMs: number }): boolean => timeMs === wantedMs;
  switch (raw.kind) {
    case 'requests':
      return { kind: raw.kind, points: raw.points.filter(isThen) };
    case 'latency':
      return { kind: raw.kind, points: raw.points.filter(isThen) };
    case 'value':
      return { kind: raw.kind, points: raw.points.filter(isThen) };
  }
}

/**
 * Why a revision's built-in series can't be trusted, by the newest sample of each of its pods;
 * null: they can.
 */
export function distrust(
  own: readonly MetricRow[],
  replicaSet: string,
  knownPods: ReadonlySet<string>,
  timeMs: number,
  oldestMs: number,
): Absence | null {
  const stranger = own.find(({ labels }) => !knownPods.has(labels['pod'] ?? ''));
  if (stranger !== undefined && own.length > knownPods.size) {
    const message =
      `${own.length} pods report as ${replicaSet}, which had ${knownPods.size} ` +
      `(${stranger.labels['pod']} is none of them). Do two clusters share the server? ` +
      `Set matchers in the operator's configuration.`;
    return absence('untrusted', 'AmbiguousSource', message);
  }
  const newestMs = Math.max(...own.flatMap(({ samples }) => samples.map(([, s]) => s * 1000)));
  if (own.length === 0 || newestMs >= oldestMs) return null;
  const age = ((timeMs - newestMs) / 1000).toFixed(0);
  const message = `The newest sample of ${replicaSet} is ${age} s old; is it scraped?`;
  return absence('untrusted', 'Stale', message);
}
