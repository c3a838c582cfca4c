// Asks a Prometheus over HTTP. Whatever goes wrong becomes an absence with its name; nothing here
// throws, and no answer is trusted further than it was checked.
import type { Readable } from 'node:stream';
import axios, { AxiosError } from 'axios';
import type { Absence, AbsenceReason } from '../core/evidence.ts';
import type { Clock } from '../runtime/clock.ts';
import { BodyReader, isRecord } from './answer.ts';
import type { Body } from './answer.ts';
import { createCredentials } from './credentials.ts';
import { absence } from './port.ts';
import type { MetricAnswer, MetricSource, ServerSettings, TakeRow } from './port.ts';

export interface PrometheusOptions {
  readonly settings: ServerSettings;
  readonly clock: Clock;
  /** Hears what each query came to. */
  readonly onAnswer?: (result: 'ok' | AbsenceReason) => void;
}

/** More rows than any query of ours should give; beyond it an answer is refused, not cut. */
const mostRows = 100_000;
/** Thanos and VictoriaMetrics rather fail than answer in part; to others this says nothing. */
const whole = { partial_response: 'false', deny_partial_response: '1' } as const;
const mostBytes = 64 * 1024 * 1024;

export function createPrometheus({ settings, clock, onAnswer }: PrometheusOptions): MetricSource {
  const client = axios.create({
    baseURL: settings.url,
    timeout: settings.timeoutMs,
    maxContentLength: mostBytes,
    maxRedirects: 0,
    // A proxy of the environment must not come between an operator and the server it names.
    proxy: false,
    responseType: 'stream',
    validateStatus: () => true,
  });
  const serverClock = new ServerClock(clock);
  const credentials = createCredentials(settings, clock);
  const ask = async (
    path: string,
    form: Readonly<Record<string, string>>,
    take: TakeRow,
  ): Promise<MetricAnswer> => {
    const signal = AbortSignal.timeout(settings.timeoutMs);
    let answer: MetricAnswer;
    try {
      const body = new URLSearchParams(form);
      const how = { signal, ...credentials.proof() };
      const { status, headers, data } = await client.post<Readable>(path, body, how);
      serverClock.hear(headers['date']);
      answer = readAnswer(settings, status, await readBody(data, take));
    } catch (error) {
      answer = { ok: false, absence: unanswered(settings, error) };
    }
    onAnswer?.(answer.ok ? 'ok' : answer.absence.reason);
    if (answer.ok) return answer;
    // A server may repeat what it was sent.
    const message = credentials.redact(answer.absence.message);
    return { ...answer, absence: { ...answer.absence, message } };
  };
  const seconds = (ms: number): string => (ms / 1000).toFixed(3);
  return {
    instant: (query, timeMs, take) =>
      ask('/api/v1/query', { query, time: seconds(timeMs), ...whole }, take),
    range: (query, startMs, endMs, stepMs, take) => {
      const times = { start: seconds(startMs), end: seconds(endMs), step: seconds(stepMs) };
      return ask('/api/v1/query_range', { query, ...times, ...whole }, take);
    },
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

async function readBody(stream: Readable, take: TakeRow): Promise<Body> {
  const reader = new BodyReader(take);
  for await (const chunk of stream as AsyncIterable<Buffer>) reader.write(chunk);
  return reader.end();
}

function readAnswer(
  settings: ServerSettings,
  status: number,
  { envelope, rowCount, isMalformed }: Body,
): MetricAnswer {
  type Failed = Extract<MetricAnswer, { readonly ok: false }>;
  const failed = (kind: Absence['kind'], reason: AbsenceReason, what: string): Failed => ({
    ok: false,
    absence: absence(kind, reason, `Metric server ${settings.name} ${what}`),
  });
  if (status === 401 || status === 403) {
    const what = `refused the credentials of its configuration (${status}): check its auth.`;
    return failed('unreachable', 'ClientError', what);
  }
  if (isRecord(envelope) && typeof envelope['errorType'] === 'string') {
    const { errorType } = envelope;
    const what = `refused the query (${errorType}): ${String(envelope['error'])}`;
    if (errorType === 'timeout') return failed('unreachable', 'TimedOut', what);
    if (status === 422 && what.includes('too many')) {
      return failed('untrusted', 'TooManySeries', what);
    }
    if (status >= 500 || errorType === 'internal') {
      return failed('unreachable', 'ServerError', what);
    }
    const refusal = { 400: 'query', 422: 'execution' } as const;
    const isQuerys = status === 400 || status === 422;
    return {
      ...failed('unreachable', 'ClientError', what),
      ...(isQuerys ? { refusal: refusal[status] } : {}),
    };
  }
  if (status !== 200) {
    const reason = status >= 500 ? 'ServerError' : 'ClientError';
    return failed('unreachable', reason, `answered ${status}, and not as Prometheus does.`);
  }
  const warnings = warningsOf(envelope);
  if (warnings === null || isMalformed) {
    return failed('untrusted', 'Malformed', 'answered no Prometheus result.');
  }
  if (isRecord(envelope) && envelope['isPartial'] === true) {
    return failed('untrusted', 'Partial', 'says that the answer is partial.');
  }
  if (warnings.length > 0) {
    const what = `warned that the answer may be incomplete: ${String(warnings[0])}`;
    return failed('untrusted', 'Partial', what);
  }
  if (rowCount > mostRows) {
    return failed('untrusted', 'TooManySeries', `gave more than ${mostRows} rows.`);
  }
  return { ok: true, rowCount };
}

/** Null when this is no Prometheus' result. */
function warningsOf(envelope: unknown): readonly unknown[] | null {
  if (!isRecord(envelope) || envelope['status'] !== 'success') return null;
  const { data, warnings = [] } = envelope;
  const type = isRecord(data) ? data['resultType'] : null;
  if (type !== 'vector' && type !== 'matrix' && type !== 'scalar') return null;
  return Array.isArray(warnings) ? warnings : null;
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
