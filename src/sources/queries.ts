// Builds the PromQL of the profile `http`, for the whole fleet or for named ReplicaSets of a
// namespace. Text only: it asks nothing, and every value that comes from outside is escaped here.

/** Whose pods a query is about. */
export type Scope =
  | { readonly kind: 'namespaces'; readonly namespaces: readonly string[] }
  | {
      readonly kind: 'replicaSets';
      readonly namespace: string;
      readonly replicaSets: readonly string[];
    };

/** The request counter of the profile `http`. */
export const requestsMetric = 'http_requests_total';
/** The buckets of its classic latency histogram. */
export const latencyMetric = 'http_request_duration_seconds_bucket';

/** The label by which a query's rows name their ReplicaSet. */
export const revisionLabel = 'x0tta_rs';

/**
 * The alphabet of Kubernetes' generated names, so that fewer pods of other kinds look like ours.
 */
const podSuffix = '[bcdfghjklmnpqrstvwxz2456789]{5}';
const podName = new RegExp(`^(.+)-${podSuffix}$`);

/** Labels in which the same pod may be stored twice: by two monitors, or by a pair of replicas. */
const duplicateLabels = 'job, service, endpoint, prometheus, prometheus_replica, replica';

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

function scopeMatchers(scope: Scope): string[] {
  if (scope.kind === 'namespaces') {
    return [`namespace=~${quote(alternatives(scope.namespaces))}`];
  }
  const pods = `(?:${alternatives(scope.replicaSets)})-${podSuffix}`;
  return [`namespace=${quote(scope.namespace)}`, `pod=~${quote(pods)}`];
}

function selector(
  metric: string,
  scope: Scope,
  matchers: Readonly<Record<string, string>>,
  extra: readonly string[] = [],
): string {
  const server = Object.entries(matchers).map(([label, value]) => `${label}=${quote(value)}`);
  return `${metric}{${[...scopeMatchers(scope), ...extra, ...server].join(', ')}}`;
}

/**
 * Requests per second by namespace, revision and `label`. It sums over each pod's series before it
 * renames: faster, and no label of the series' own can collide.
 */
function ratePerRevision(series: string, windowMs: number, label: string): string {
  const unique = `max without (${duplicateLabels}) (rate(${series}[${duration(windowMs)}]))`;
  const perPod = `sum by (namespace, pod, ${label}) (${unique})`;
  const renamed = `label_replace(${perPod}, "${revisionLabel}", "$1", "pod", "(.+)-${podSuffix}")`;
  return `sum by (namespace, ${revisionLabel}, ${label}) (${renamed})`;
}

/**
 * Requests per second by revision and status, which stands in the label `code` or else `status`.
 * Rows of series that carry neither come without both, so that a profile that does not fit is seen.
 */
export function requestsQuery(
  scope: Scope,
  matchers: Readonly<Record<string, string>>,
  windowMs: number,
): string {
  const byCode = selector(requestsMetric, scope, matchers, ['code!=""']);
  const byStatus = selector(requestsMetric, scope, matchers, ['code=""']);
  return (
    `${ratePerRevision(byCode, windowMs, 'code')} or ` +
    ratePerRevision(byStatus, windowMs, 'status')
  );
}

/** Requests per second at or below each boundary `le`, by revision. */
export function latencyQuery(
  scope: Scope,
  matchers: Readonly<Record<string, string>>,
  windowMs: number,
): string {
  return ratePerRevision(selector(latencyMetric, scope, matchers), windowMs, 'le');
}

/** Seconds since the epoch of each pod's newest sample; a rate's own time is the evaluation's. */
export function freshnessQuery(scope: Scope, matchers: Readonly<Record<string, string>>): string {
  return `max by (namespace, pod) (timestamp(${selector(requestsMetric, scope, matchers)}))`;
}
