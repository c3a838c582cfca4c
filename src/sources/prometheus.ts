// Asks a Prometheus over HTTP. Whatever goes wrong becomes an absence with its name; nothing here
// throws, and no answer is trusted further than it was checked.
import axios, { AxiosError } from 'axios';
import type { AxiosResponse } from 'axios';
import * as z from 'zod';
import type { Absence, AbsenceReason } from '../core/evidence.ts';
import type { Clock } from '../runtime/clock.ts';
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

const sample = z.tuple([z.number(), z.string()]);
const answerSchema = z.object({
  status: z.literal('success'),
  data: z.discriminatedUnion('resultType', [
    z.object({
      resultType: z.literal('vector'),
      result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: sample })),
    }),
    z.object({
      resultType: z.literal('matrix'),
      result: z.array(
        z.object({ metric: z.record(z.string(), z.string()), values: z.array(sample) }),
      ),
    }),
    z.object({ resultType: z.literal('scalar'), result: sample }),
  ]),
  warnings: z.array(z.string()).optional(),
});
const refusalSchema = z.object({ errorType: z.string(), error: z.string() });

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
  const ask = async (path: string, form: Record<string, string>): Promise<MetricAnswer> => {
    const signal = AbortSignal.timeout(settings.timeoutMs);
    let answer: MetricAnswer;
    try {
      const body = new URLSearchParams(form);
      const response = await client.post<string>(path, body, { signal });
      serverClock.hear(response.headers['date']);
      answer = readAnswer(settings, response);
    } catch (error) {
      answer = { ok: false, absence: unanswered(settings, error) };
    }
    onAnswer?.(answer.ok ? 'ok' : answer.absence.reason);
    return answer;
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
  const refusal = refusalSchema.safeParse(body);
  if (refusal.success) {
    const { errorType, error } = refusal.data;
    const what = `refused the query (${errorType}): ${error}`;
    if (errorType === 'timeout') return failed('unreachable', 'TimedOut', what);
    return status >= 500 || errorType === 'internal'
      ? failed('unreachable', 'ServerError', what)
      : failed('unreachable', 'ClientError', what);
  }
  if (status !== 200) {
    const reason = status >= 500 ? 'ServerError' : 'ClientError';
    return failed('unreachable', reason, `answered ${status}, and not as Prometheus does.`);
  }
  const parsed = answerSchema.safeParse(body);
  if (!parsed.success) return failed('untrusted', 'Malformed', 'answered no Prometheus result.');
  const { warnings = [], data: result } = parsed.data;
  if (warnings.length > 0) {
    return failed(
      'untrusted',
      'Partial',
      `warned that the answer may be incomplete: ${warnings[0]}`,
    );
  }
  if (result.result.length > mostRows) {
    return failed('untrusted', 'TooManySeries', `gave more than ${mostRows} rows.`);
  }
  return { ok: true, rows: rowsOf(result) };
}

function rowsOf(data: z.infer<typeof answerSchema>['data']): MetricRow[] {
  const read = ([seconds, value]: readonly [number, string]) =>
    [Math.round(seconds * 1000), numberOf(value)] as const;
  switch (data.resultType) {
    case 'vector':
      return data.result.map(({ metric, value }) => ({ labels: metric, samples: [read(value)] }));
    case 'matrix':
      return data.result.map(({ metric, values }) => ({
        labels: metric,
        samples: values.map(read),
      }));
    case 'scalar':
      return [{ labels: {}, samples: [read(data.result)] }];
  }
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
  return absence('unreachable', 'Refused', `${who} can't be reached: ${text}.`);
}
