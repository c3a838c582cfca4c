// Turns the rows of an answer into the points of one revision, or into the named reason why they
// can't be trusted. Pure: it asks nothing and keeps nothing.
import type {
  Absence,
  LatencyPoint,
  RawPoints,
  RequestPoint,
  ValuePoint,
} from '../core/evidence.ts';
import type { MetricRow, PodLabels } from './port.ts';
import { absence } from './port.ts';
import type { LatencyHistogram, RequestCounter } from './profiles.ts';
import { replicaSetOfPod, revisionLabel, sourceLabel } from './queries.ts';

export type Points =
  | { readonly ok: true; readonly points: RawPoints }
  | { readonly ok: false; readonly absence: Absence };

/** The rows of an answer by what they are about, so that a fleet's is read once. */
export type RowIndex = ReadonlyMap<string, readonly MetricRow[]>;

/** Rows by the revision that they name, under `revisionKey`. */
export function byRevision(rows: readonly MetricRow[], names: PodLabels): RowIndex {
  return Map.groupBy(rows, ({ labels }) => revisionOf(labels, names) ?? '');
}

/** The revision that a row names, as revisionKey does; null when it names none. */
export function revisionOf(labels: MetricRow['labels'], names: PodLabels): string | null {
  const replicaSet = labels[revisionLabel] ?? replicaSetOfPod(labels[names.pod] ?? '');
  return replicaSet === null ? null : revisionKey(labels[names.namespace] ?? '', replicaSet);
}

/** Rows by the service that they name, under `serviceKey`: what follows it says port and router. */
export function byService(rows: readonly MetricRow[], label: string): RowIndex {
  const index = new Map<string, MetricRow[]>();
  for (const row of rows) {
    const name = row.labels[label] ?? '';
    // A service's own name may hold `-stable-` as well, so every place is one that may be meant.
    for (const { index: end, 0: role } of name.matchAll(/-(?:stable|canary)(?=-)/g)) {
      const key = name.slice(0, end + role.length);
      const known = index.get(key);
      if (known === undefined) index.set(key, [row]);
      else known.push(row);
    }
  }
  return index;
}

export function revisionKey(namespace: string, replicaSet: string): string {
  return `${namespace}/${replicaSet}`;
}

export function serviceKey(namespace: string, service: string, role: 'stable' | 'canary'): string {
  return `${namespace}-${service}-${role}`;
}

/** The rows of the first of several metrics that there are any of. */
export function preferred(rows: readonly MetricRow[]): readonly MetricRow[] {
  const sourceOf = ({ labels }: MetricRow): number => Number(labels[sourceLabel] ?? 0);
  const first = Math.min(...rows.map(sourceOf));
  return rows.filter((row) => sourceOf(row) === first);
}

/** A revision's requests by status. Series without one can't tell an error from a success. */
export function requestPoints(
  own: readonly MetricRow[],
  counters: readonly RequestCounter[],
  whose: string,
): Points {
  const counterOf = (row: MetricRow | undefined): RequestCounter | undefined =>
    counters[Number(row?.labels[sourceLabel] ?? 0)];
  const counter = counterOf(preferred(own)[0]);
  // One metric's series may carry their status in different labels, and count together.
  const rows = own.filter((row) => counterOf(row)?.metric === counter?.metric);
  const codeOf = (row: MetricRow): string => row.labels[counterOf(row)?.label ?? ''] ?? '';
  if (rows.some((row) => codeOf(row) === '')) {
    const labels = [...new Set(counters.map(({ label }) => label))];
    const carry =
      labels.length === 1
        ? `do not carry the label ${labels[0]}`
        : `carry neither the label ${labels.join(' nor ')}`;
    const message =
      `Series of ${counter?.metric} of ${whose} ${carry}, so errors can't be told from ` +
      `successes. Add ${labels.length === 1 ? 'it' : 'one of them'}.`;
    return { ok: false, absence: absence('untrusted', 'ProfileMismatch', message) };
  }
  const byTime = new Map<number, Record<string, number>>();
  for (const row of rows) {
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

/** Requests a second of all the given rows together, whatever their status. */
export function throughputPoints(rows: readonly MetricRow[]): Points {
  const byTime = new Map<number, number>();
  for (const row of preferred(rows)) {
    for (const [timeMs, value] of row.samples) {
      byTime.set(timeMs, (byTime.get(timeMs) ?? 0) + value);
    }
  }
  const points = ascending(byTime).map(([timeMs, value]) => ({ timeMs, value }));
  return { ok: true, points: { kind: 'value', points } };
}

/** A revision's requests at or below each boundary in seconds; `1` and `1.0` are one boundary. */
export function latencyPoints(
  own: readonly MetricRow[],
  histograms: readonly LatencyHistogram[],
): Points {
  const rows = preferred(own);
  const histogram = histograms[Number(rows[0]?.labels[sourceLabel] ?? 0)];
  const unit = histogram?.secondsPerUnit ?? 1;
  const byTime = new Map<number, Map<number, number>>();
  for (const row of rows) {
    const text = row.labels['le'];
    // Powers of ten are not exact: 0.001 x 350 is not 0.35.
    const le = text === '+Inf' ? Infinity : Number((Number(text) * unit).toPrecision(12));
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
export function valuePoints(
  rows: readonly MetricRow[],
  namespace: string,
  replicaSet: string,
): Points {
  const hash = replicaSet.slice(replicaSet.lastIndexOf('-') + 1);
  const named = rows.filter(
    ({ labels }) =>
      labels['namespace'] === namespace &&
      (labels['replicaset'] === replicaSet || labels['pod_template_hash'] === hash),
  );
  const [only] = rows;
  const isBare = rows.length === 1 && only !== undefined && Object.keys(only.labels).length === 0;
  const own = isBare ? rows : named;
  if (own.length > 1) {
    const message =
      `The query has ${own.length} rows for ${replicaSet}. ` +
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

type AnyPoint = { readonly timeMs: number };

function filtered(raw: RawPoints, keep: (point: AnyPoint) => boolean): RawPoints {
  // Each kind keeps its own points, which the compiler does not follow through a filter.
  const points: unknown = (raw.points as readonly AnyPoint[]).filter(keep);
  return { ...raw, points } as RawPoints;
}

/** Only points whose whole window lies after the attempt's start. */
export function since(raw: RawPoints, attemptStartMs: number, windowMs: number): RawPoints {
  return filtered(raw, ({ timeMs }) => timeMs - windowMs >= attemptStartMs);
}

/** The points at one time: the newest out of a range. */
export function at(raw: RawPoints, wantedMs: number): RawPoints {
  return filtered(raw, ({ timeMs }) => timeMs === wantedMs);
}

/**
 * Why a revision's built-in series can't be trusted, by the newest sample of each of its pods;
 * null: they can.
 */
export function distrust(
  own: readonly MetricRow[],
  replicaSet: string,
  known: { readonly podLabel: string | null; readonly pods: ReadonlySet<string> },
  timeMs: number,
  oldestMs: number,
): Absence | null {
  const knownPods = known.pods;
  const podOf = ({ labels }: MetricRow): string => labels[known.podLabel ?? ''] ?? '';
  const stranger =
    known.podLabel === null ? undefined : own.find((row) => !knownPods.has(podOf(row)));
  if (stranger !== undefined && own.length > knownPods.size) {
    const message =
      `${own.length} pods report as ${replicaSet}, which had ${knownPods.size} ` +
      `(${podOf(stranger)} is none of them). Do two clusters share the server? ` +
      `Set matchers in the operator's configuration.`;
    return absence('untrusted', 'AmbiguousSource', message);
  }
  const newestMs = Math.max(...own.flatMap(({ samples }) => samples.map(([, s]) => s * 1000)));
  if (own.length === 0 || newestMs >= oldestMs) return null;
  const age = ((timeMs - newestMs) / 1000).toFixed(0);
  const message = `The newest sample of ${replicaSet} is ${age} s old; is it scraped?`;
  return absence('untrusted', 'Stale', message);
}
