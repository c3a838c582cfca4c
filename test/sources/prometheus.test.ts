// The Prometheus client against an HTTP server on loopback that answers as badly as servers do.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import type { AbsenceReason } from '../../src/core/evidence.ts';
import { createPrometheus } from '../../src/sources/prometheus.ts';
import type { MetricAnswer, MetricRow, MetricSource, TakeRow } from '../../src/sources/port.ts';
import { serverSettings } from './settings.ts';
import { FakeClock } from '../runtime/fakeClock.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const vector = (value: string): string =>
  JSON.stringify({
    status: 'success',
    data: { resultType: 'vector', result: [{ metric: { pod: 'a' }, value: [12.5, value] }] },
  });

describe('the Prometheus client', () => {
  let server: Server;
  let url: string;
  let handler: Handler;
  let clock: FakeClock;
  let heard: (AbsenceReason | 'ok')[];

  beforeEach(async () => {
    rows = [];
    server = createServer((request, response) => void handler(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    clock = new FakeClock(1_000_000);
    heard = [];
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const source = (timeoutMs = 2_000): MetricSource =>
    createPrometheus({
      settings: { ...serverSettings, url, timeoutMs },
      clock,
      onAnswer: (result) => heard.push(result),
    });
  const answering = (status: number, body: string, headers: Record<string, string> = {}): void => {
    handler = (_, response) => void response.writeHead(status, headers).end(body);
  };
  const reasonOf = (answer: MetricAnswer): string =>
    answer.ok ? 'ok' : `${answer.absence.kind} ${answer.absence.reason}`;
  let rows: MetricRow[] = [];
  const take: TakeRow = (row) => void rows.push(row);
  const ask = async (timeoutMs?: number): Promise<MetricAnswer> =>
    source(timeoutMs).instant('up', 5_000, take);

  it('sends query and time as a form, and reads rows', async () => {
    let seen = '';
    handler = async (request, response) => {
      seen = `${request.method} ${request.url} ${await text(request)}`;
      response.end(vector('0.25'));
    };
    const answer = await source().instant('up{a="b c"}', 12_345, take);
    expect(seen).to.equal(
      'POST /api/v1/query query=up%7Ba%3D%22b+c%22%7D&time=12.345' +
        '&partial_response=false&deny_partial_response=1',
    );
    expect(answer).to.deep.equal({ ok: true, rowCount: 1 });
    expect(rows).to.deep.equal([{ labels: { pod: 'a' }, samples: [[12_500, 0.25]] }]);
    expect(heard).to.deep.equal(['ok']);
  });

  it('asks below the path of the address, and for a range as a form too', async () => {
    let seen = '';
    handler = async (request, response) => {
      seen = `${request.method} ${request.url} ${await text(request)}`;
      response.end(vector('1'));
    };
    url += '/select/0/prometheus';
    await source().range('up', 1_000, 4_500, 500, take);
    expect(seen).to.equal(
      'POST /select/0/prometheus/api/v1/query_range query=up&start=1.000&end=4.500&step=0.500' +
        '&partial_response=false&deny_partial_response=1',
    );
  });

  it('lets no proxy of the environment come between', async () => {
    const before = process.env['http_proxy'];
    process.env['http_proxy'] = 'http://127.0.0.1:1';
    try {
      answering(200, vector('1'));
      expect(reasonOf(await ask())).to.equal('ok');
    } finally {
      if (before === undefined) delete process.env['http_proxy'];
      else process.env['http_proxy'] = before;
    }
  });

  it('reads ranges, scalars, and numbers that are none', async () => {
    const values = ['NaN', '+Inf', '-Inf', '0.5'].map((value, i) => [i + 1, value]);
    const result = [{ metric: {}, values }];
    answering(200, JSON.stringify({ status: 'success', data: { resultType: 'matrix', result } }));
    await source().range('up', 1_000, 4_000, 1_000, take);
    expect(rows[0]?.samples).to.deep.equal([
      [1_000, NaN],
      [2_000, Infinity],
      [3_000, -Infinity],
      [4_000, 0.5],
    ]);
    answering(200, '{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}');
    expect(await ask()).to.deep.equal({ ok: true, rowCount: 1 });
    expect(rows.at(-1)).to.deep.equal({ labels: {}, samples: [[1_000, 7]] });
  });

  const failures: readonly (readonly [string, number, string, string])[] = [
    [
      'a parse error',
      400,
      '{"status":"error","errorType":"bad_data","error":"parse"}',
      'unreachable ClientError',
    ],
    [
      'a query that timed out',
      503,
      '{"status":"error","errorType":"timeout","error":"slow"}',
      'unreachable TimedOut',
    ],
    [
      'an error of the server',
      500,
      '{"status":"error","errorType":"internal","error":"x"}',
      'unreachable ServerError',
    ],
    ['a proxy without a server', 502, '<html>Bad Gateway</html>', 'unreachable ServerError'],
    ['a door that is locked', 401, 'Unauthorized', 'unreachable ClientError'],
    ['a way to somewhere else', 302, '', 'unreachable ClientError'],
    ['a page', 200, '<html>Welcome</html>', 'untrusted Malformed'],
    [
      'another JSON',
      200,
      '{"status":"success","data":{"resultType":"streams"}}',
      'untrusted Malformed',
    ],
    ['half a JSON', 200, vector('1').slice(0, -5), 'untrusted Malformed'],
    [
      'an answer that says it is partial',
      200,
      vector('1').replace('{"status"', '{"isPartial":true,"status"'),
      'untrusted Partial',
    ],
    [
      'a warning that something is missing',
      200,
      vector('1').replace('{"status"', '{"warnings":["no store"],"status"'),
      'untrusted Partial',
    ],
  ];
  for (const [what, status, body, reason] of failures) {
    it(`names ${what}`, async () => {
      answering(status, body);
      const answer = await ask();
      expect(reasonOf(answer)).to.equal(reason);
      expect(answer.ok || answer.absence.message).to.match(/^Metric server main /);
      expect(heard).to.deep.equal([reason.split(' ')[1]]);
    });
  }

  it('tells a query that can’t be answered from one who may not ask', async () => {
    const refusalOf = async (status: number, body: string): Promise<unknown> => {
      answering(status, body);
      const answer = await ask();
      return answer.ok ? 'ok' : answer.refusal;
    };
    const error = (errorType: string): string =>
      JSON.stringify({ status: 'error', errorType, error: 'no' });
    expect(await refusalOf(400, error('bad_data'))).to.equal('query');
    expect(await refusalOf(422, error('execution'))).to.equal('execution');
    expect(await refusalOf(422, error('422'))).to.equal('execution');
    expect(await refusalOf(429, error('too_many_requests'))).to.equal(undefined);
    expect(await refusalOf(404, 'not found')).to.equal(undefined);
    expect(await refusalOf(503, error('unavailable'))).to.equal(undefined);
  });

  it('names a server that refuses connections', async () => {
    server.close();
    await once(server, 'close');
    expect(reasonOf(await ask())).to.equal('unreachable Refused');
  });

  it('names a server that never answers, and one that never ends', async () => {
    handler = () => undefined;
    expect(reasonOf(await ask(100))).to.equal('unreachable TimedOut');
    handler = (_, response) => void response.write('{');
    expect(reasonOf(await ask(100))).to.equal('unreachable TimedOut');
  });

  it('names a server that goes on sending for ever', async () => {
    handler = (_, response) => {
      const drip = setInterval(() => response.write(' '), 5);
      response.on('close', () => clearInterval(drip));
    };
    expect(reasonOf(await ask(100))).to.equal('unreachable TimedOut');
  });

  it('names a server that hangs up without an answer', async () => {
    handler = (_, response) => void response.destroy();
    expect(reasonOf(await ask())).to.equal('unreachable Refused');
  });

  it('takes an empty answer for what it is', async () => {
    answering(200, '{"status":"success","data":{"resultType":"vector","result":[]}}');
    expect(await ask()).to.deep.equal({ ok: true, rowCount: 0 });
  });

  it('refuses an answer of too many rows as a whole', async () => {
    const row = { metric: {}, value: [1, '1'] };
    const body = (rows: number): string => {
      const data = { resultType: 'vector', result: Array(rows).fill(row) };
      return JSON.stringify({ status: 'success', data });
    };
    answering(200, body(100_000));
    expect(reasonOf(await ask())).to.equal('ok');
    answering(200, body(100_001));
    expect(reasonOf(await ask())).to.equal('untrusted TooManySeries');
  });

  it('stops reading an answer that is too long', async () => {
    const piece = Buffer.alloc(1024 * 1024, ' ');
    let sent = 0;
    handler = (_, response) => {
      const send = (): void => {
        while (!response.destroyed && response.write(piece)) sent++;
      };
      response.on('drain', send);
      send();
    };
    expect(reasonOf(await ask())).to.equal('untrusted Truncated');
    expect(sent).to.be.below(1_000);
  });

  it('cuts what a server says to what an object can hold', async () => {
    const error = 'é'.repeat(5_000);
    answering(400, JSON.stringify({ status: 'error', errorType: 'bad_data', error }));
    const answer = await ask();
    const message = answer.ok ? '' : answer.absence.message;
    expect(message).to.match(/^Metric server main refused the query \(bad_data\): é+.?…$/);
    expect(Buffer.byteLength(message)).to.be.within(1_000, 1_024);
  });

  it('names an answer that breaks off', async () => {
    handler = (_, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"status"', () => response.destroy());
    };
    expect(reasonOf(await ask())).to.equal('untrusted Truncated');
  });

  it('has the clock of the server, however its whole seconds fall', async () => {
    const main = source();
    expect(main.nowMs()).to.equal(1_000_000);
    const serverMs = 5_000_700;
    for (let i = 0; i < 10; i++) {
      const nowMs = serverMs + clock.monotonicMs();
      answering(200, vector('1'), { date: new Date(nowMs).toUTCString() });
      await main.instant('up', 0, take);
      await clock.advance(130);
    }
    const error = serverMs + clock.monotonicMs() - main.nowMs();
    expect(error).to.be.within(0, 150);
  });

  it('has the clock of the operator while the server tells no time', async () => {
    handler = (_, response) => {
      response.sendDate = false;
      response.end(vector('1'));
    };
    const main = source();
    await main.instant('up', 0, take);
    answering(200, vector('1'), { date: 'yesterday' });
    await main.instant('up', 0, take);
    await clock.advance(500);
    expect(main.nowMs()).to.equal(1_000_500);
  });

  it('hears the time also from a server that refuses', async () => {
    const main = source();
    answering(503, '', { date: new Date(9_000_000).toUTCString() });
    await main.instant('up', 0, take);
    await clock.advance(500);
    expect(main.nowMs()).to.equal(9_000_500);
  });

  it('follows a server whose clock was set back', async () => {
    const main = source();
    answering(200, vector('1'), { date: new Date(9_000_000).toUTCString() });
    await main.instant('up', 0, take);
    answering(200, vector('1'), { date: new Date(4_000_000).toUTCString() });
    await main.instant('up', 0, take);
    expect(main.nowMs()).to.equal(4_000_000);
  });
});
