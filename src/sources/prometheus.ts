// Asks a Prometheus over HTTP. Whatever goes wrong becomes an absence with its name; nothing here
// throws, and no answer is trusted further than it was checked.
import axios, { AxiosError } from 'axios';
import type { AxiosResponse } from 'axios';
import type { Absence, AbsenceReason } from '../core/evidence.ts';
import type { Clock } from '../runtime/clock.ts';
import { createCredentials } from './credentials.ts';
import { absence } from './port.ts';
import type { MetricAnswer, MetricRow, MetricSource, ServerSettings } from './port.ts';

export interface PrometheusOptions {
  readonly settings: ServerSettings;
  readonly clock: Clock;
  /** Hears what each query came to. */
  readonly onAnswer?: (result: 'ok' | AbsenceReason) => void;
}

/** More rows than any query of ours should give; beyond it an answer is refused, not cut. */
const mostRows = 100_000;
const mostBytes = 64 * 1024 * 1024;

export function createPrometheus({ settings, clock, onAnswer }: PrometheusOptions): MetricSource {
  const client = axios.create({
    baseURL: settings.url,
    timeout: settings.timeoutMs,
    maxContentLength: mostBytes,
    maxRedirects: 0,
    // A proxy of the environment must not come between an operator and the server it names.
    proxy: false,
    responseType: 'text',
    transformResponse: (text: unknown) => text,
    validateStatus: () => true,
  });
  const serverClock = new ServerClock(clock);
  const credentials = createCredentials(settings, clock);
  const ask = async (path: string, form: Record<string, string>): Promise<MetricAnswer> => {
    const signal = AbortSignal.timeout(settings.timeoutMs);
    let answer: MetricAnswer;
    try {
      const body = new URLSearchParams(form);
      const response = await client.post<string>(path, body, { signal, ...credentials.proof() });
      serverClock.hear(response.headers['date']);
      answer = readAnswer(settings, response);
    } catch (error) {
      answer = { ok: false, absence: unanswered(settings, error) };
    }
    onAnswer?.(answer.ok ? 'ok' : answer.absence.reason);
    if (answer.ok) return answer;
    // A server may repeat what it was sent.
    const message = credentials.redact(answer.absence.message);
    return { ok: false, absence: { ...answer.absence, message } };
  };
  const seconds = (ms: number): string => (ms / 1000).toFixed(3);
  return {
    instant: (query, timeMs) => ask('/api/v1/query', { query, time: seconds(timeMs) }),
    range: (query, startMs, endMs, stepMs) =>
      ask('/api/v1/query_range', {
        query,
        start: seconds(startMs),
        end: seconds(endMs),
        step: seconds(stepMs),
      }),
    nowMs: () => serverClock.nowMs(),
  };
}

/**
 * The server's clock by its Date headers, which are whole seconds cut off: the true offset is never
 * below the highest that was heard, and less than a second above it.
 */
class ServerClock {
  readonly #clock: Clock;
  /** Server time minus monotonic time, ms. */
  #offsetMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hear(date: unknown): void {
    const heardMs = typeof date === 'string' ? Date.parse(date) : NaN;
    if (Number.isNaN(heardMs)) return;
    const offsetMs = heardMs - this.#clock.monotonicMs();
    const known = this.#offsetMs;
    // An offset that fell by more than the cut can explain is a clock that was set back.
    if (known === null || offsetMs > known || offsetMs < known - 2_000) this.#offsetMs = offsetMs;
  }

  nowMs(): number {
    if (this.#offsetMs === null) return this.#clock.nowMs();
    return Math.round(this.#clock.monotonicMs() + this.#offsetMs);
  }
}

function readAnswer(
  settings: ServerSettings,
  { status, data }: AxiosResponse<string>,
): MetricAnswer {
  const failed = (kind: Absence['kind'], reason: AbsenceReason, what: string): MetricAnswer => ({
    ok: false,
    absence: absence(kind, reason, `Metric server ${settings.name} ${what}`),
  });
  const body = parseJson(data);
  if (status === 401 || status === 403) {
    const what = `refused the credentials of its configuration (${status}): check its auth.`;
    return failed('unreachable', 'ClientError', what);
  }
  if (isRecord(body) && typeof body['errorType'] === 'string') {
    const { errorType } = body;
    const what = `refused the query (${errorType}): ${String(body['error'])}`;
    if (errorType === 'timeout') return failed('unreachable', 'TimedOut', what);
    if (status === 422 && what.includes('too many')) {
      return failed('untrusted', 'TooManySeries', what);
    }
    return status >= 500 || errorType === 'internal'
      ? failed('unreachable', 'ServerError', what)
      : failed('unreachable', 'ClientError', what);
  }
  if (status !== 200) {
    const reason = status >= 500 ? 'ServerError' : 'ClientError';
    return failed('unreachable', reason, `answered ${status}, and not as Prometheus does.`);
  }
  const result = resultOf(body);
  if (result === null) return failed('untrusted', 'Malformed', 'answered no Prometheus result.');
  if (result.warning !== null) {
    const what = `warned that the answer may be incomplete: ${result.warning}`;
    return failed('untrusted', 'Partial', what);
  }
  if (result.items.length > mostRows) {
    return failed('untrusted', 'TooManySeries', `gave more than ${mostRows} rows.`);
  }
  const rows = rowsOf(result);
  if (rows === null) return failed('untrusted', 'Malformed', 'answered no Prometheus result.');
  return { ok: true, rows };
}

type Item = Readonly<Record<string, unknown>>;

/** A whole fleet's answer is checked by hand: a schema takes ten times as long. */
interface Result {
  readonly type: string;
  readonly items: readonly unknown[];
  readonly warning: string | null;
}

function isRecord(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function resultOf(body: unknown): Result | null {
  if (!isRecord(body) || body['status'] !== 'success') return null;
  const { data, warnings = [] } = body;
  if (!isRecord(data) || !Array.isArray(data['result'])) return null;
  if (!Array.isArray(warnings)) return null;
  const type = String(data['resultType']);
  const warning = warnings.length === 0 ? null : String(warnings[0]);
  // A scalar is one sample without labels.
  const items = type === 'scalar' ? [{ metric: {}, value: data['result'] }] : data['result'];
  return ['vector', 'matrix', 'scalar'].includes(type) ? { type, items, warning } : null;
}

/** Null when anything in it is not as the API says. */
function rowsOf({ type, items }: Result): MetricRow[] | null {
  const rows: MetricRow[] = [];
  for (const item of items) {
    if (!isRecord(item) || !isLabels(item['metric'])) return null;
    const samples = type === 'matrix' ? item['values'] : [item['value']];
    if (!Array.isArray(samples)) return null;
    const read: (readonly [number, number])[] = [];
    for (const sample of samples) {
      if (!isSample(sample)) return null;
      read.push([Math.round(sample[0] * 1000), numberOf(sample[1])]);
    }
    rows.push({ labels: item['metric'], samples: read });
  }
  return rows;
}

function isLabels(value: unknown): value is Readonly<Record<string, string>> {
  if (!isRecord(value)) return false;
  for (const name in value) if (typeof value[name] !== 'string') return false;
  return true;
}

function isSample(value: unknown): value is readonly [number, string] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'number' &&
    typeof value[1] === 'string'
  );
}

/** Prometheus writes infinities as +Inf and -Inf, which Number does not read. */
function numberOf(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unanswered(settings: ServerSettings, error: unknown): Absence {
  const code = error instanceof AxiosError ? (error.code ?? '') : '';
  const text = error instanceof Error ? error.message : String(error);
  const who = `Metric server ${settings.name}`;
  if (['ECONNABORTED', 'ETIMEDOUT', 'ERR_CANCELED'].includes(code)) {
    const message = `${who} did not answer within ${settings.timeoutMs / 1000} s.`;
    return absence('unreachable', 'TimedOut', message);
  }
  // axios says this of a body that is too long, and of one that breaks off.
  if (text.includes('maxContentLength') || text.includes('aborted')) {
    return absence('untrusted', 'Truncated', `${who} sent no whole answer: ${text}.`);
  }
  if (error instanceof AxiosError) {
    return absence('unreachable', 'Refused', `${who} can't be reached: ${text}.`);
  }
  const message = `${who} can't be asked as it is configured: ${text}.`;
  return absence('unreachable', 'ClientError', message);
}
