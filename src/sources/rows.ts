// Turns the rows of an answer into the points of one revision, or into the named reason why they
// can't be trusted. Pure: it asks nothing and keeps nothing.
import type { Absence, LatencyPoint, RawPoints, ValuePoint } from '../core/evidence.ts';
import { cut } from '../core/text.ts';
import type { MetricRow } from './port.ts';
import { absence } from './port.ts';
import type { LatencyHistogram, RequestCounter } from './profiles.ts';
import { sourceLabel } from './queries.ts';

export type Points =
  | { readonly ok: true; readonly points: RawPoints }
  | { readonly ok: false; readonly absence: Absence };

/** The rows of the first of several metrics that there are any of. */
export function preferred(rows: readonly MetricRow[]): readonly MetricRow[] {
  const sourceOf = ({ labels }: MetricRow): number => Number(labels[sourceLabel] ?? 0);
  const first = Math.min(...rows.map(sourceOf));
  return rows.filter((row) => sourceOf(row) === first);
}

/** The rows of the metric that counts for a revision; its series may carry several labels. */
function ofOneMetric(
  own: readonly MetricRow[],
  counters: readonly RequestCounter[],
): { readonly metric: string; readonly rows: readonly MetricRow[] } {
  const metricOf = (row: MetricRow | undefined): string => counterOf(row, counters)?.metric ?? '';
  const metric = metricOf(preferred(own)[0]);
  return { metric, rows: own.filter((row) => metricOf(row) === metric) };
}

function counterOf(
  row: MetricRow | undefined,
  counters: readonly RequestCounter[],
): RequestCounter | undefined {
  return counters[Number(row?.labels[sourceLabel] ?? 0)];
}

/** A status code or its class, how Linkerd calls outcomes, and Istio's 0 for no answer at all. */
const knownStatus = /^(?:[1-5](?:\d\d|xx)|success|failure|0)$/i;

/** A revision's requests by status. Series without one can't tell an error from a success. */
export function requestPoints(
  own: readonly MetricRow[],
  counters: readonly RequestCounter[],
  whose: string,
): Points {
  const { metric, rows } = ofOneMetric(own, counters);
  const codeOf = (row: MetricRow): string =>
    row.labels[counterOf(row, counters)?.label ?? ''] ?? '';
  const odd = rows.map(codeOf).find((code) => !knownStatus.test(code));
  if (odd !== undefined) {
    const labels = [...new Set(counters.map(({ label }) => label))];
    const [first] = labels;
    const none =
      labels.length === 1
        ? `do not carry the label ${first}`
        : `carry neither the label ${labels.join(' nor ')}`;
    const carry = odd === '' ? none : `have the status ${JSON.stringify(cut(odd, 40))}`;
    const message =
      `Series of ${metric} of ${whose} ${carry}, so errors can't be told from successes. ` +
      `Export HTTP's status codes, or judge them by a query of your own.`;
    return { ok: false, absence: absence('untrusted', 'ProfileMismatch', message) };
  }
  const byTime = new Map<number, { code: string; perSecond: number }[]>();
  for (const row of rows) {
    const code = codeOf(row);
    for (const [timeMs, value] of row.samples) {
      const byCode = byTime.get(timeMs) ?? [];
      const known = byCode.find((other) => other.code === code);
      if (known === undefined) byCode.push({ code, perSecond: value });
      else known.perSecond += value;
      byTime.set(timeMs, byCode);
    }
  }
  const points = ascending(byTime).map(([timeMs, byCode]) => ({ timeMs, byCode }));
  return { ok: true, points: { kind: 'requests', points } };
}

/** Requests a second of all the given revisions together, whatever their status. */
export function throughputPoints(
  revisions: readonly (readonly MetricRow[])[],
  counters: readonly RequestCounter[],
): Points {
  const byTime = new Map<number, number>();
  for (const row of revisions.flatMap((own) => ofOneMetric(own, counters).rows)) {
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

/** A custom query's value: the one row that is the revision's. */
export function valuePoints(own: readonly MetricRow[], replicaSet: string): Points {
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

/** A value of 0 at each of the times at which there is none. */
export function withZeros(raw: RawPoints, zerosMs: readonly number[]): RawPoints {
  if (raw.kind !== 'value' || zerosMs.length === 0) return raw;
  const values = new Map(zerosMs.map((timeMs) => [timeMs, 0]));
  for (const { timeMs, value } of raw.points) values.set(timeMs, value);
  const points = ascending(values).map(([timeMs, value]) => ({ timeMs, value }));
  return { kind: 'value', points };
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
