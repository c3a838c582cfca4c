// Builds the PromQL of the built-in signals, for the whole fleet or for named ReplicaSets of a
// namespace. Text only: it asks nothing, and every value that comes from outside is escaped here.
import { PQC } from './profiles.ts';
import type { Profile } from './profiles.ts';
import type { PodLabels } from './port.ts';

/** Whose pods a query is about. */
export interface Scope {
  readonly namespaces: readonly string[];
  /** Null: everything in the namespaces. */
  readonly only: {
    readonly replicaSets: readonly string[];
    /** Their services, for profiles that name those instead of pods. */
    readonly services: readonly string[];
  } | null;
}

/** What all queries to one server have in common. */
export interface Dialect {
  readonly profile: Profile;
  readonly labels: PodLabels;
  /** Labels that every selector demands. */
  readonly matchers: Readonly<Record<string, string>>;
  readonly scrapeIntervalMs: number;
}

/** The label by which a query's rows name their ReplicaSet. */
export const revisionLabel = 'x0tta_rs';
/** The place of a row's metric in its profile's list; missing where that has one entry. */
export const sourceLabel = 'x0tta_source';
/** `before` on a counter's value at the beginning of the window. */
export const momentLabel = 'x0tta_at';

/**
 * The alphabet of Kubernetes' generated names, so that fewer pods of other kinds look like ours.
 */
const podSuffix = '[bcdfghjklmnpqrstvwxz2456789]{5}';
const podName = new RegExp(`^(.+)-${podSuffix}$`);

/**
 * Labels in which the same pod may be stored twice: by two monitors, or by a pair of replicas. Not
 * `endpoint`: without a monitor it is the application's own, the path of a request.
 */
const duplicateLabels = 'job, prometheus, prometheus_replica, replica';

/** The ReplicaSet by whose name a pod is called; null when it is called otherwise. */
export function replicaSetOfPod(pod: string): string | null {
  return podName.exec(pod)?.[1] ?? null;
}

/** A PromQL string literal that means exactly `text` (lone surrogates become U+FFFD). */
export function quote(text: string): string {
  const escaped = text
    .toWellFormed()
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    // PromQL takes Go's escapes; a control character has no other safe form.
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f]/g, (character) => {
      return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
    });
  return `"${escaped}"`;
}

/** An RE2 expression that matches exactly `text`. */
export function escapeRegex(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}

function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function alternatives(texts: readonly string[]): string {
  // Sorted and distinct, so that the same targets always give the same text.
  return [...new Set(texts)].toSorted().map(escapeRegex).join('|');
}

function podMatchers(scope: Scope, { namespace, pod }: PodLabels): string[] {
  const { namespaces, only } = scope;
  const [first = ''] = namespaces;
  const within =
    namespaces.length === 1
      ? `${namespace}=${quote(first)}`
      : `${namespace}=~${quote(alternatives(namespaces))}`;
  if (only === null) return [within];
  return [within, `${pod}=~${quote(`(?:${alternatives(only.replicaSets)})-${podSuffix}`)}`];
}

/** A service is named `<namespace>-<service>-…` there, so the names alone tell whose it is. */
function serviceMatchers(scope: Scope, label: string): string[] {
  const { namespaces, only } = scope;
  const services = only === null ? '.+' : `(?:${alternatives(only.services)})`;
  const names = `(?:${alternatives(namespaces)})-${services}-(?:stable|canary)-.+`;
  return [`${label}=~${quote(names)}`];
}

type Grouping = 'pod' | 'service';

function selector(
  metric: string,
  scope: Scope,
  dialect: Dialect,
  grouping: Grouping,
  extra: readonly string[] = [],
): string {
  const { profile, labels, matchers } = dialect;
  const whose =
    grouping === 'service'
      ? serviceMatchers(scope, profile.serviceLabel ?? '')
      : podMatchers(scope, labels);
  const server = Object.entries(matchers).map(([label, value]) => `${label}=${quote(value)}`);
  return `${metric}{${[...whose, ...extra, ...server].join(', ')}}`;
}

/** Where the profile names services for traffic, it does so for requests and latency. */
function trafficGrouping({ profile }: Dialect): Grouping {
  return profile.serviceLabel === undefined ? 'pod' : 'service';
}

/** One of each pair of equal series; the label `service` is a scrape's, unless it is the group. */
function unique(series: string, grouping: Grouping): string {
  const without = grouping === 'pod' ? `${duplicateLabels}, service` : duplicateLabels;
  return `max without (${without}) (${series})`;
}

/**
 * Rates by namespace, revision and `label`, or by service and `label`. It sums over each pod's
 * series before it renames: faster, and no label of the series' own can collide.
 */
function sumPerRevision(ofSeries: string, label: string, to: Dialect): string {
  const grouping = trafficGrouping(to);
  const rates = unique(ofSeries, grouping);
  const and = label === '' ? '' : `, ${label}`;
  if (grouping === 'service') return `sum by (${to.profile.serviceLabel}${and}) (${rates})`;
  const { namespace, pod } = to.labels;
  const perPod = `sum by (${namespace}, ${pod}${and}) (${rates})`;
  const name = `"${revisionLabel}", "$1", "${pod}", "(.+)-${podSuffix}"`;
  const renamed = `label_replace(${perPod}, ${name})`;
  return `sum by (${namespace}, ${revisionLabel}${and}) (${renamed})`;
}

/** All of them at once; the rows say by `sourceLabel` which one they come from. */
function anyOf(expressions: readonly string[]): string {
  const [only] = expressions;
  if (only !== undefined && expressions.length === 1) return only;
  return expressions
    .map((expression, i) => `label_replace(${expression}, "${sourceLabel}", "${i}", "", "")`)
    .join(' or ');
}

/**
 * Requests per second by revision and status. Rows of series that carry no status come without the
 * label, so that a profile that does not fit is seen.
 */
export function requestsQuery(scope: Scope, to: Dialect, windowMs: number): string {
  return anyOf(
    to.profile.requests.map(({ metric, label, matchers }) => {
      const series = selector(metric, scope, to, trafficGrouping(to), matchers);
      return sumPerRevision(`rate(${series}[${duration(windowMs)}])`, label, to);
    }),
  );
}

/** Requests per second at or below each boundary `le` of a classic histogram, by revision. */
export function latencyQuery(scope: Scope, to: Dialect, windowMs: number): string {
  return anyOf(
    to.profile.latency.map(({ metric, matchers }) => {
      const series = selector(`${metric}_bucket`, scope, to, trafficGrouping(to), matchers);
      return sumPerRevision(`rate(${series}[${duration(windowMs)}])`, 'le', to);
    }),
  );
}

/**
 * The same of native histograms, whose only boundaries are the given limits (seconds): the count of
 * requests at or below each, interpolated by Prometheus, and of all of them as `+Inf`.
 */
export function nativeLatencyQuery(
  scope: Scope,
  to: Dialect,
  windowMs: number,
  limits: readonly number[],
): string {
  return anyOf(
    to.profile.latency.map(({ metric, secondsPerUnit, matchers }) => {
      const series = selector(metric, scope, to, trafficGrouping(to), matchers);
      // Numbers of each series before anything is made unique, which histograms do not come
      // through; a series without requests has no share.
      const rates = `rate(${series}[${duration(windowMs)}])`;
      const all = `histogram_count(${rates})`;
      const within = limits.map((limit) => {
        const le = String(Number((limit / secondsPerUnit).toPrecision(12)));
        const share = `histogram_fraction(0, ${le}, ${rates}) * (${all} > 0)`;
        return `label_replace(${sumPerRevision(share, '', to)}, "le", "${le}", "", "")`;
      });
      const whole = `label_replace(${sumPerRevision(all, '', to)}, "le", "+Inf", "", "")`;
      return `(${[...within, whole].join(' or ')})`;
    }),
  );
}

/** Seconds since the epoch of the newest sample; a rate's own time is the evaluation's. */
export function freshnessQuery(scope: Scope, to: Dialect): string {
  const grouping = trafficGrouping(to);
  const { namespace, pod } = to.labels;
  const by = grouping === 'service' ? to.profile.serviceLabel : `${namespace}, ${pod}`;
  const { requests, latency } = to.profile;
  const counters = requests.map(({ metric }) => metric);
  // Who exports no counter of requests may export a histogram, classic or native.
  const histograms = latency.flatMap(({ metric }) => [`${metric}_count`, metric]);
  const metrics = [...new Set([...counters, ...histograms])];
  const stamps = metrics.map((metric) => `timestamp(${selector(metric, scope, to, grouping)})`);
  return `max by (${by}) (${stamps.join(' or ')})`;
}

/**
 * How many samples the median counter of requests has in the range. Only counters that were there
 * at its beginning and are at its end say how often they are scraped; the median, since pods that
 * crash leave gaps.
 */
export function scrapesQuery(scope: Scope, to: Dialect, rangeMs: number): string {
  const range = duration(rangeMs);
  const metrics = [...new Set(to.profile.requests.map(({ metric }) => metric))];
  const counts = metrics.map((metric) => {
    const series = selector(metric, scope, to, trafficGrouping(to));
    return `(count_over_time(${series}[${range}]) and ${series} and ${series} offset ${range})`;
  });
  return `quantile(0.5, ${counts.join(' or ')})`;
}

/**
 * A range that holds one sample of a series at least, and no older one: an instant selector would
 * look back for minutes and invent what is not there.
 */
function lastSample(series: string, { scrapeIntervalMs }: Dialect): string {
  return `last_over_time(${series}[${duration(1.5 * scrapeIntervalMs)}])`;
}

function sumPerPod(series: string, to: Dialect): string {
  const { namespace, pod } = to.labels;
  return `sum by (${namespace}, ${pod}) (${unique(series, 'pod')})`;
}

/** Bytes that each pod holds, summed over its components. */
export function memoryQuery(scope: Scope, to: Dialect): string {
  return anyOf(
    to.profile.memory.map((metric) =>
      sumPerPod(lastSample(selector(metric, scope, to, 'pod'), to), to),
    ),
  );
}

/** CPU seconds a second of each pod: cores in use. */
export function cpuQuery(scope: Scope, to: Dialect, windowMs: number): string {
  return anyOf(
    to.profile.cpu.map((metric) => {
      const series = selector(metric, scope, to, 'pod');
      return sumPerPod(`rate(${series}[${duration(windowMs)}])`, to);
    }),
  );
}

/**
 * Raw counters of each pod's handshakes, failures without fallbacks (source 0) and successes
 * (source 1). With a window also as they were at its beginning, marked by `momentLabel`.
 */
export function handshakesQuery(scope: Scope, to: Dialect, windowMs: number | null): string {
  const noFallback = ['reason!="fallback"'];
  const counters = (offset: string): string => {
    const last = (series: string): string =>
      sumPerPod(`last_over_time(${series}[${duration(1.5 * to.scrapeIntervalMs)}]${offset})`, to);
    return anyOf([
      last(selector(PQC.failures, scope, to, 'pod', noFallback)),
      last(selector(PQC.successes, scope, to, 'pod')),
    ]);
  };
  if (windowMs === null) return counters('');
  const before = `label_replace(${counters(` offset ${duration(windowMs)}`)}`;
  return `${counters('')} or ${before}, "${momentLabel}", "before", "", "")`;
}

/**
 * 1 for each pod that reports a fallback to classical cryptography: by its gauge (source 0), by the
 * mesh's gauge at 0 in two scrapes on end (source 1), or by a handshake that failed for that reason
 * within a minute (source 2).
 */
export function fallbackQuery(scope: Scope, to: Dialect): string {
  const { namespace, pod } = to.labels;
  const by = `max by (${namespace}, ${pod})`;
  const enabled = selector(PQC.fallbackEnabled, scope, to, 'pod');
  const mesh = selector(PQC.meshEnabled, scope, to, 'pod');
  const twice = duration(2.5 * to.scrapeIntervalMs);
  const failures = selector(PQC.failures, scope, to, 'pod', ['reason="fallback"']);
  const now = lastSample(failures, to);
  // Scrapes may have failed for a while: an older value of a counter is a sound one as well.
  const before = `(last_over_time(${failures}[1h] offset 1m) or ${now} * 0)`;
  return anyOf([
    `${by} (${lastSample(enabled, to)})`,
    `${by} ((max_over_time(${mesh}[${twice}]) == bool 0) ` +
      `* (count_over_time(${mesh}[${twice}]) >= bool 2))`,
    // After a restart the counter is lower, and what it counts is new.
    `${by} ((${now} != bool ${before}) * (${now} > bool 0))`,
  ]);
}
