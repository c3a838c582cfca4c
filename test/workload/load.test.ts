// The load generator against servers on loopback: what it counts is what the server saw, its rate
// is bound, and it ends by itself.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect } from 'chai';

import { startLoad } from '../cluster/load/generator.ts';
import { Histogram } from '../cluster/load/histogram.ts';
import { LoadStatistics } from '../cluster/load/report.ts';
import { loadTable } from '../cluster/load/table.ts';

describe('the load generator', () => {
  const servers: Server[] = [];

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/path?x=1`;
  }

  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('counts answers by version and status, and sends what it was asked to', async () => {
    const seen = new Map<string, number>();
    let requests = 0;
    const targets = new Set<string>();
    const url = await serve((request, response) => {
      requests += 1;
      targets.add(`${request.headers.host} ${request.url}`);
      const version = requests % 4 === 0 ? 'v2' : 'v1';
      const status = requests % 8 === 0 ? 503 : 200;
      seen.set(`${version} ${status}`, (seen.get(`${version} ${status}`) ?? 0) + 1);
      response.writeHead(status, { 'x-version': version }).end('body');
    });
    const load = startLoad({
      url,
      hostHeader: 'shop.test',
      requestsPerSecond: 500,
      durationSeconds: 0.4,
    });
    const report = await load.done;
    expect(report.sent + report.skipped).to.equal(200);
    expect(report.sent).to.equal(requests);
    expect([...targets]).to.deep.equal(['shop.test /path?x=1']);
    const counted = Object.entries(report.versions).flatMap(([version, { byStatus }]) =>
      Object.entries(byStatus).map(([status, count]) => [`${version} ${status}`, count] as const),
    );
    expect(new Map(counted)).to.deep.equal(seen);
    expect(report.inFlight).to.equal(0);
    const versions = report.timeline[0]?.versions;
    expect(versions?.['v2']).to.deep.equal({
      requests: Math.floor(requests / 4),
      failed: Math.floor(requests / 8),
    });
    expect(report.versions['v1']?.latencyMs.p99).to.be.above(0);
  });

  it('keeps connections instead of opening one a request', async () => {
    const url = await serve((_request, response) => response.end());
    let connections = 0;
    servers[0]?.on('connection', () => {
      connections += 1;
    });
    const limit = { maxInFlight: 4 };
    const report = await startLoad({ url, requestsPerSecond: 300, durationSeconds: 0.3, ...limit })
      .done;
    expect(report.sent).to.be.above(connections);
    expect(connections).to.be.within(1, 4);
  });

  it('never sends more than the rate allows, however late it comes to it', async () => {
    let nowMs = 0;
    const url = await serve((_request, response) => response.end());
    const clock = { nowMs: (): number => nowMs };
    const load = startLoad({ url, requestsPerSecond: 20, durationSeconds: 10, ...clock });
    const reached = async (answers: number): Promise<void> => {
      while ((load.snapshot().versions['unknown']?.requests ?? 0) < answers) {
        await new Promise(setImmediate);
      }
    };
    nowMs = 1_000;
    await reached(20);
    expect(load.snapshot().sent).to.equal(20);
    nowMs = 1_049;
    nowMs = 1_050;
    await reached(21);
    expect(load.snapshot().sent).to.equal(21);
    nowMs = 60_000;
    const report = await load.done;
    expect(report.sent + report.skipped).to.equal(200);
    expect(report.timeline.at(-1)?.second).to.equal(9);
  });

  it('skips what is due while as many as allowed are under way, and says so', async () => {
    let answer = (): void => undefined;
    const url = await serve((_request, response) => {
      const previous = answer;
      answer = (): void => {
        previous();
        response.end();
      };
    });
    let nowMs = 0;
    const load = startLoad({
      url,
      requestsPerSecond: 10,
      durationSeconds: 1,
      maxInFlight: 3,
      nowMs: () => nowMs,
    });
    nowMs = 1_000;
    while (load.snapshot().sent < 3) await new Promise(setImmediate);
    expect(load.snapshot()).to.include({ sent: 3, skipped: 7, inFlight: 3 });
    const timer = setInterval(() => {
      answer();
    }, 5);
    const report = await load.done.finally(() => {
      clearInterval(timer);
    });
    expect(report).to.include({ sent: 3, skipped: 7, inFlight: 0 });
  });

  it('counts a refused connection as a failure of nobody known', async () => {
    const url = await serve(() => undefined);
    const server = servers[0];
    server?.close();
    if (server !== undefined) await once(server, 'close');
    const report = await startLoad({ url, requestsPerSecond: 50, durationSeconds: 0.1 }).done;
    expect(report.versions['unknown']).to.deep.include({
      requests: 5,
      byStatus: {},
      failures: { ECONNREFUSED: 5 },
    });
    expect(report.timeline[0]?.versions['unknown']).to.deep.equal({ requests: 5, failed: 5 });
  });

  it('counts a torn answer as a failure of the version that began it', async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { 'x-version': 'v2', 'content-length': '10' });
      response.write('12345', () => request.socket.destroy());
    });
    const report = await startLoad({ url, requestsPerSecond: 50, durationSeconds: 0.1 }).done;
    expect(Object.keys(report.versions)).to.deep.equal(['v2']);
    expect(report.versions['v2']).to.deep.include({ requests: 5, byStatus: {} });
  });

  it('gives an answer up that does not come in time', async () => {
    const url = await serve(() => undefined);
    const limit = { timeoutMs: 100 };
    const load = startLoad({ url, requestsPerSecond: 20, durationSeconds: 0.05, ...limit });
    const failures = (await load.done).versions['unknown']?.failures;
    expect(failures).to.deep.equal({ UND_ERR_HEADERS_TIMEOUT: 1 });
  }).timeout(5_000);

  it('ends early when it is stopped, with the requests under way counted', async () => {
    const url = await serve((_request, response) => response.end());
    const load = startLoad({ url, requestsPerSecond: 200, durationSeconds: 3_600 });
    while (load.snapshot().sent === 0) await new Promise(setImmediate);
    const report = await load.stop();
    expect(report.inFlight).to.equal(0);
    expect(report.versions['unknown']?.requests).to.equal(report.sent);
    expect(await load.done).to.deep.equal(report);
  });

  it('refuses a load without an end or without a rate', () => {
    const url = 'http://127.0.0.1:1/';
    for (const [requestsPerSecond, durationSeconds] of [
      [0, 1],
      [Number.NaN, 1],
      [1, 0],
      [1, 3_601],
      [10_001, 1],
    ] as const) {
      expect(() => startLoad({ url, requestsPerSecond, durationSeconds })).to.throw(RangeError);
    }
  });
});

describe('the report of load', () => {
  it('has quantiles within 2 % of the exact ones', () => {
    const histogram = new Histogram();
    expect(histogram.quantile(0.5)).to.equal(null);
    for (let ms = 1; ms <= 1_000; ms += 1) histogram.add(ms);
    for (const [q, exact] of [
      [0.5, 500],
      [0.95, 950],
      [0.99, 990],
      [1, 1_000],
    ] as const) {
      expect(histogram.quantile(q), `q ${q}`).to.be.within(exact, exact * 1.021);
    }
  });

  it('takes latencies beyond its ends', () => {
    const histogram = new Histogram();
    for (const ms of [0, 1e9]) histogram.add(ms);
    expect(histogram.quantile(0.5)).to.be.closeTo(0.05, 1e-9);
    expect(histogram.quantile(1)).to.be.within(120_000, 122_500);
  });

  it('stays bounded whatever versions, errors and seconds come', () => {
    const statistics = new LoadStatistics(10);
    for (let index = 0; index < 1_000; index += 1) {
      statistics.begun();
      const [version, code] = [`v${index}`, `E${index}`];
      statistics.ended(index * 100, 1, { kind: 'failure', version, code });
    }
    const report = statistics.report();
    expect(Object.keys(report.versions)).to.have.length(21);
    expect(report.versions['other']?.requests).to.equal(980);
    expect(Object.keys(report.versions['other']?.failures ?? {})).to.have.length(21);
    expect(report.timeline.map(({ second }) => second)).to.deep.equal([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
  });

  it('is printed with a row for each version', () => {
    const statistics = new LoadStatistics(1);
    statistics.begun();
    statistics.ended(0, 0.05, { kind: 'answer', version: 'v2', status: 500 });
    statistics.begun();
    statistics.ended(0, 1, { kind: 'failure', version: 'v1', code: 'ECONNRESET' });
    statistics.skip(2);
    expect(loadTable(statistics.report()).split('\n')).to.deep.equal([
      'VERSION  REQUESTS  BY STATUS  FAILURES       P50     P95     P99',
      'v1       1         -          ECONNRESET: 1  -       -       -',
      'v2       1         500: 1     -              0.1 ms  0.1 ms  0.1 ms',
      'sent 2, skipped 2, in flight 0',
      '',
    ]);
  });
});
