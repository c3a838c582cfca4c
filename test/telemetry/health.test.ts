// The probes and the scrape over real sockets on loopback.
import { expect } from 'chai';
import { once } from 'node:events';
import {
  Agent,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { connect, type Socket } from 'node:net';
import type { LogLevel } from '../../src/runtime/log.ts';
import { startHealthServer, type HealthServer } from '../../src/telemetry/health.ts';
import type { Exposition } from '../../src/telemetry/metrics.ts';

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

describe('health server', () => {
  let server: HealthServer;
  let unready: readonly string[];
  let exposition: () => Promise<Exposition>;
  const logged: string[] = [];
  const agents: Agent[] = [];
  const host = '127.0.0.1';
  const log = (level: LogLevel, message: string): void => void logged.push(`${level} ${message}`);

  const start = (port = 0): Promise<HealthServer> =>
    startHealthServer({
      host,
      port,
      ready: () => unready,
      metrics: { exposition: () => exposition() },
      log,
    });

  beforeEach(async () => {
    unready = [];
    exposition = () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'a 1\n' });
    logged.length = 0;
    server = await start();
  });

  afterEach(async () => {
    for (const agent of agents.splice(0)) agent.destroy();
    await server.close();
  });

  async function ask(path: string, options: RequestOptions = {}): Promise<Answer> {
    const asked = request({ host, port: server.port, path, agent: false, ...options });
    asked.end();
    return answerOf(asked);
  }

  async function answerOf(asked: ReturnType<typeof request>): Promise<Answer> {
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode, headers: response.headers, text };
  }

  async function open(): Promise<Socket> {
    const socket = connect(server.port, host);
    await once(socket, 'connect');
    return socket;
  }

  it('is alive', async () => {
    expect(await ask('/healthz')).to.include({ status: 200, text: 'ok\n' });
  });

  it('is ready when nothing is not, and names what is not', async () => {
    expect(await ask('/readyz?verbose')).to.include({ status: 200, text: 'ok\n' });
    unready = ['reflector of pods', 'lease'];
    expect(await ask('/readyz')).to.include({
      status: 503,
      text: 'not ready: reflector of pods, lease\n',
    });
  });

  it('gives the metrics in their own type', async () => {
    const { status, headers, text } = await ask('/metrics');
    expect([status, text]).to.deep.equal([200, 'a 1\n']);
    expect(headers['content-type']).to.equal('text/plain; version=0.0.4');
  });

  it('answers a HEAD without a body, and knows nothing else', async () => {
    expect(await ask('/healthz', { method: 'HEAD' })).to.include({ status: 200, text: '' });
    expect(await ask('/healthz', { method: 'POST' })).to.include({ status: 405 });
    expect(await ask('/healthz/x')).to.include({ status: 404 });
    expect(await ask('/')).to.include({ status: 404 });
  });

  it('says 500 when it can not answer, logs why, and lives on', async () => {
    exposition = () => Promise.reject(new Error('broken'));
    expect(await ask('/metrics')).to.include({ status: 500 });
    expect(logged).to.deep.equal(['error a probe or a scrape could not be answered']);
    expect(await ask('/healthz')).to.include({ status: 200 });
  });

  it('says where it could not listen', async () => {
    let thrown: unknown;
    await start(server.port).catch((error: unknown) => (thrown = error));
    expect(thrown).to.be.instanceOf(Error);
    expect(thrown).to.have.property('message').that.includes(`can't listen on ${host}:`);
  });

  it('closes although connections are kept alive, or never said a word', async () => {
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    await ask('/healthz', { agent });
    const silent = await open();
    const ended = once(silent, 'close');
    await ask('/healthz');
    await server.close();
    await ended;
  });

  it('answers what is under way when it closes, and keeps that connection no longer', async () => {
    const asked = Promise.withResolvers<void>();
    const given = Promise.withResolvers<Exposition>();
    exposition = () => {
      asked.resolve();
      return given.promise;
    };
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    const answer = ask('/metrics', { agent });
    await asked.promise;
    const closed = server.close();
    given.resolve({ contentType: 'text/plain', text: 'late 1\n' });
    expect(await answer).to.include({ status: 200, text: 'late 1\n' });
    expect((await answer).headers).to.include({ connection: 'close' });
    await closed;
  });
});
