// How the operator proves itself to a metric server, on real servers: what is sent, what happens
// when a file changes or is missing, and that no secret gets into a message.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import type { ServerSettings } from '../../src/sources/port.ts';
import { createPrometheus } from '../../src/sources/prometheus.ts';
import { FakeClock } from '../runtime/fakeClock.ts';

const noTls = { caFile: null, certFile: null, keyFile: null };
const good = '{"status":"success","data":{"resultType":"vector","result":[]}}';

describe('credentials for a metric server', () => {
  let folder: string;
  let clock: FakeClock;
  let server: Server;
  let seen: IncomingHttpHeaders;
  let subject: string;
  let status: number;

  const listen = async (next: Server): Promise<number> => {
    server = next;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return (server.address() as AddressInfo).port;
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    seen = request.headers;
    const { authorization = '' } = seen;
    response.statusCode = status;
    const echo = { status: 'error', errorType: 'bad_data', error: `what is ${authorization}?` };
    response.end(status === 200 ? good : JSON.stringify(echo));
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'x0tta-credentials-'));
    clock = new FakeClock();
    [seen, subject, status] = [{}, '', 200];
  });

  afterEach(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });

  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  const source = (url: string, change: Partial<ServerSettings>) =>
    createPrometheus({
      clock,
      settings: {
        name: 'main',
        url,
        scrapeIntervalMs: 1_000,
        scrapeIntervalIsAssumed: false,
        lagMs: 1_000,
        timeoutMs: 2_000,
        auth: null,
        headers: {},
        tls: noTls,
        profile: 'http',
        labels: {},
        matchers: {},
        ...change,
      },
    });

  const http = async (): Promise<string> => {
    const plain = createServer({ keepAliveTimeout: 1 }, answer);
    return `http://127.0.0.1:${await listen(plain)}`;
  };

  const outcome = async (asked: ReturnType<typeof source>): Promise<string> => {
    const result = await asked.instant('up', 0, () => undefined);
    return result.ok ? 'ok' : `${result.absence.reason}: ${result.absence.message}`;
  };

  it('sends a bearer token, and the new one soon after its file changed', async () => {
    const tokenFile = file('token', 'first\n');
    const main = source(await http(), { auth: { kind: 'bearer', tokenFile } });
    await outcome(main);
    expect(seen.authorization).to.equal('Bearer first');
    file('token', 'second');
    await clock.advance(10_000);
    await outcome(main);
    expect(seen.authorization).to.equal('Bearer second');
  });

  it('sends a name with a password, and the headers of the configuration', async () => {
    const passwordFile = file('password', 'sesame');
    const auth = { kind: 'basic', username: 'ops', passwordFile } as const;
    await outcome(source(await http(), { auth, headers: { 'X-Scope-OrgID': 'mesh' } }));
    const basic = Buffer.from('ops:sesame').toString('base64');
    expect(seen).to.include({ authorization: `Basic ${basic}`, 'x-scope-orgid': 'mesh' });
  });

  it('names a file that is missing or empty, and asks nothing', async () => {
    const url = await http();
    const missing = { kind: 'bearer', tokenFile: join(folder, 'none') } as const;
    expect(await outcome(source(url, { auth: missing }))).to.match(/^ClientError: .*none can't be/);
    const empty = { kind: 'bearer', tokenFile: file('empty', '\n') } as const;
    expect(await outcome(source(url, { auth: empty }))).to.match(/^ClientError: .*empty is empty/);
    expect(seen).to.deep.equal({});
  });

  it('lets no secret into a message, though the server repeats it', async () => {
    const auth = { kind: 'bearer', tokenFile: file('token', 'tell-nobody') } as const;
    const main = source(await http(), { auth });
    status = 400;
    expect(await outcome(main)).to.match(/^ClientError: .*what is Bearer \[redacted\]\?/);
    status = 401;
    expect(await outcome(main)).to.match(/^ClientError: .*refused the credentials .*\(401\)/);
  });

  it('trusts the authority that it is told to, and shows its own certificate', async () => {
    const openssl = (...args: readonly string[]): void => {
      execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    };
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-x509'];
    openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.crt', ...names);
    openssl('req', ...key, '-keyout', 'client.key', '-out', 'client.crt', '-subj', '/CN=operator');
    const read = (name: string): Buffer => readFileSync(join(folder, name));
    const tls = {
      key: read('server.key'),
      cert: read('server.crt'),
      ca: read('client.crt'),
      requestCert: true,
      rejectUnauthorized: true,
      keepAliveTimeout: 1,
    };
    const secure = createHttpsServer(tls, (request, response) => {
      subject = String((request.socket as TLSSocket).getPeerCertificate().subject.CN);
      answer(request, response);
    });
    const url = `https://127.0.0.1:${await listen(secure)}`;
    const path = (name: string): string => join(folder, name);
    const files = { certFile: path('client.crt'), keyFile: path('client.key') };
    const whole = { caFile: path('server.crt'), ...files };
    expect(await outcome(source(url, { tls: whole }))).to.equal('ok');
    expect(subject).to.equal('operator');
    const stranger = await outcome(source(url, { tls: { caFile: null, ...files } }));
    expect(stranger).to.match(/^Refused: .*certificate/);
  });
});
