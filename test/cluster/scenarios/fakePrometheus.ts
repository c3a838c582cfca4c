// Speaks Prometheus' query API for revisions whose numbers a test sets, and misbehaves as it is
// told to. It evaluates no PromQL: it looks at which metric a query names.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What a revision reports at a time. */
export interface Report {
  /** 0 to 1, or no number at all. */
  readonly errorRatio: number;
  readonly requestsPerSecond: number;
  /** Share of the requests that take between 100 and 500 ms; none when left out. */
  readonly slowRatio?: number;
}

export type Reporter = (timeMs: number) => Report;

export type Misbehaviour =
  | 'slow'
  | 'client error'
  | 'server error'
  | 'truncated'
  | 'no JSON'
  | 'NaN'
  | '+Inf'
  | 'empty'
  | 'stale'
  | 'partial'
  | 'too many series';

export interface FakePrometheus {
  readonly url: string;
  /** By `namespace/ReplicaSet`. */
  readonly reports: Map<string, Reporter>;
  /** Each query since the last reset, with when its answer was sent, in ms of this machine. */
  readonly answered: { readonly query: string; readonly atMs: number }[];
  misbehave(how: Misbehaviour | null): void;
  /** Closes the port, so that connections are refused; true opens it again. */
  listen(listens: boolean): Promise<void>;
  close(): Promise<void>;
}

type Sample = readonly [number, string];
interface Row {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly Sample[];
}

export function healthy(): Report {
  return { errorRatio: 0, requestsPerSecond: 100 };
}

export function failing(): Report {
  return { errorRatio: 0.3, requestsPerSecond: 100 };
}

export async function startFakePrometheus(): Promise<FakePrometheus> {
  const reports = new Map<string, Reporter>();
  const answered: { query: string; atMs: number }[] = [];
  let how: Misbehaviour | null = null;
  const server = createServer((request, response) => {
    void answer(request, response, reports, how).then((query) => {
      answered.push({ query, atMs: Date.now() });
    });
  });
  let port = 0;
  const listen = (): Promise<void> =>
    new Promise((resolve) => {
      server.listen(port, '127.0.0.1', resolve);
    });
  const stop = (): Promise<unknown> => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  await listen();
  ({ port } = server.address() as AddressInfo);
  return {
    url: `http://127.0.0.1:${port}`,
    reports,
    answered,
    misbehave: (next) => {
      how = next;
    },
    listen: async (listens) => {
      await (listens ? listen() : stop());
    },
    close: async () => {
      await stop();
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  reports: ReadonlyMap<string, Reporter>,
  how: Misbehaviour | null,
): Promise<string> {
  const form = new URLSearchParams(await text(request));
  const query = form.get('query') ?? '';
  // A test of the server's clock comes through whatever else goes wrong.
  const isProbe = query === 'vector(1)';
  const seconds = (name: string): number => Number(form.get(name));
  const times: number[] = [];
  if (form.has('time')) times.push(seconds('time') * 1000);
  else {
    for (let at = seconds('start'); at <= seconds('end') + 1e-6; at += seconds('step')) {
      times.push(Math.round(at * 1000));
    }
  }
  const rows = rowsOf(query, times, reports, how);
  const isRange = !form.has('time');
  const result = rows.map(({ metric, values }) =>
    isRange ? { metric, values } : { metric, value: values[0] },
  );
  const data = { resultType: isRange ? 'matrix' : 'vector', result };
  const warnings = how === 'partial' ? { warnings: ['a store is away'] } : {};
  const body = JSON.stringify({ status: 'success', data, ...warnings });
  response.setHeader('content-type', 'application/json');
  if (isProbe) response.end(body);
  else if (how === 'client error') {
    const error = { status: 'error', errorType: 'bad_data', error: 'parse error' };
    response.writeHead(400).end(JSON.stringify(error));
  } else if (how === 'server error') response.writeHead(503).end('upstream is away');
  else if (how === 'truncated') {
    response.writeHead(200, { 'content-length': String(body.length) });
    response.end(body.slice(0, -10));
    response.destroy();
  } else if (how === 'no JSON') response.end('<html></html>');
  else if (how !== 'slow') response.end(body);
  return query;
}

function rowsOf(
  query: string,
  times: readonly number[],
  reports: ReadonlyMap<string, Reporter>,
  how: Misbehaviour | null,
): readonly Row[] {
  if (query === 'vector(1)') return [{ metric: {}, values: [[0, '1']] }];
  if (how === 'empty') return [];
  if (how === 'too many series') {
    return Array.from({ length: 100_001 }, () => ({ metric: {}, values: [[0, '1']] }));
  }
  return [...reports].flatMap(([name, reporter]) => {
    const [namespace = '', replicaSet = ''] = name.split('/');
    if (!query.includes(namespace)) return [];
    const own = { namespace, x0tta_rs: replicaSet };
    const row = (metric: Row['metric'], value: (timeMs: number) => number): Row => ({
      metric,
      values: times.map((timeMs) => [timeMs / 1000, textOf(value(timeMs))]),
    });
    if (query.includes('timestamp(')) {
      const ageMs = how === 'stale' ? 60_000 : 0;
      const pod = `${replicaSet}-bbbbb`;
      return [row({ namespace, pod }, (timeMs) => (timeMs - ageMs) / 1000)];
    }
    const odd = how === 'NaN' ? NaN : how === '+Inf' ? Infinity : null;
    const rate = (timeMs: number, share: (report: Report) => number): number => {
      const report = reporter(timeMs);
      return odd ?? report.requestsPerSecond * share(report);
    };
    if (query.includes('_bucket')) {
      const within = (le: string): ((report: Report) => number) =>
        le === '0.1' ? ({ slowRatio = 0 }) => 1 - slowRatio : () => 1;
      return ['0.1', '0.5', '+Inf'].map((le) => row({ ...own, le }, (at) => rate(at, within(le))));
    }
    if (!query.includes('http_requests_total')) return [];
    return [
      row({ ...own, code: '200' }, (at) => rate(at, ({ errorRatio }) => 1 - errorRatio)),
      row({ ...own, code: '500' }, (at) => rate(at, ({ errorRatio }) => errorRatio)),
    ];
  });
}

function textOf(value: number): string {
  if (value === Infinity) return '+Inf';
  return String(value);
}
