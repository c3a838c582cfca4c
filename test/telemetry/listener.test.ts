// The server of probes and scrapes over real sockets on loopback.
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
import { networkInterfaces } from 'node:os';
import type { LogLevel } from '../../src/runtime/log.ts';
import { plain, startListener } from '../../src/telemetry/listener.ts';
import type { Answer as Given, Listener } from '../../src/telemetry/listener.ts';

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

describe('a listener', () => {
  let server: Listener;
  let slow: () => Promise<Given>;
  const logged: string[] = [];
  const agents: Agent[] = [];
  const host = '127.0.0.1';
  const log = (level: LogLevel, message: string): void => void logged.push(`${level} ${message}`);

  const start = (change: { readonly host?: undefined; readonly port?: number } = {}) =>
    startListener({
      address: { flag: '--listen', host, port: 0, ...change },
      paths: new Map<string, () => Given | Promise<Given>>([
        ['/fast', () => plain(200, 'ok')],
        ['/slow', () => slow()],
      ]),
      maxConnections: 3,
      log,
    });

  beforeEach(async () => {
    slow = () => Promise.resolve({ status: 200, contentType: 'text/html', text: 'a 1\n' });
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

  it('answers by path, in the type that the answer has', async () => {
    expect(await ask('/fast?verbose')).to.include({ status: 200, text: 'ok\n' });
    const { status, headers, text } = await ask('/slow');
    expect([status, text]).to.deep.equal([200, 'a 1\n']);
    expect(headers['content-type']).to.equal('text/html');
  });

  it('answers a HEAD without a body, and knows nothing else', async () => {
    expect(await ask('/fast', { method: 'HEAD' })).to.include({ status: 200, text: '' });
    expect(await ask('/fast', { method: 'POST' })).to.include({ status: 405 });
    expect(await ask('/')).to.include({ status: 404, text: 'here is /fast and /slow\n' });
    for (const path of ['/fast/x', '/constructor', '/__proto__']) {
      expect(await ask(path), path).to.include({ status: 404 });
    }
  });

  it('says 500 when it can not answer, logs why, and lives on', async () => {
    slow = () => Promise.reject(new Error('broken'));
    expect(await ask('/slow')).to.include({ status: 500 });
    expect(logged).to.deep.equal(['error a probe or a scrape could not be answered']);
    expect(await ask('/fast')).to.include({ status: 200 });
  });

  it('listens on every address of the machine where no host is said', async () => {
    const everywhere = await start({ host: undefined });
    const loopback = (networkInterfaces()['lo'] ?? []).map(({ address }) => address);
    expect(loopback).to.include(host);
    for (const address of loopback) {
      const asked = request({ host: address, port: everywhere.port, path: '/fast', agent: false });
      asked.end();
      expect(await answerOf(asked), address).to.include({ status: 200 });
    }
    await everywhere.close();
  });

  it('answers each request however many are idle, and ends the oldest of those', async () => {
    const silent: Socket[] = [];
    const ended = new Set<number>();
    for (let i = 0; i < 8; i++) {
      const socket = await open();
      socket.once('close', () => ended.add(i));
      silent.push(socket);
      expect(await ask('/fast'), `with ${i + 1} idle ones`).to.include({ status: 200 });
    }
    for (const socket of silent.slice(0, 6)) if (!socket.closed) await once(socket, 'close');
    expect(ended).to.deep.equal(new Set([0, 1, 2, 3, 4, 5]));
    for (const socket of silent) socket.destroy();
  });

  it('ends a kept connection by its last use', async () => {
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    await ask('/fast', { agent });
    const silent = await open();
    const isEnded = once(silent, 'close');
    await ask('/fast', { agent });
    const others = [await open(), await open()];
    await isEnded;
    const asked = request({ host, port: server.port, path: '/fast', agent });
    asked.end();
    expect(await answerOf(asked)).to.include({ status: 200 });
    expect(asked.reusedSocket).to.equal(true);
    for (const socket of others) socket.destroy();
  });

  it('answers also while clients do not read what they asked for', async () => {
    const given = Promise.withResolvers<void>();
    let left = 3;
    slow = async () => {
      left--;
      if (left === 0) given.resolve();
      return plain(200, 'x'.repeat(16 * 1024 * 1024));
    };
    const deaf = await Promise.all([open(), open(), open()]);
    for (const socket of deaf) socket.pause().write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await given.promise;
    expect(await ask('/fast')).to.include({ status: 200 });
    for (const socket of deaf) socket.destroy();
  });

  it('ends none that waits for its answer: with all busy the next one is closed', async () => {
    const given = Promise.withResolvers<Given>();
    const all = Promise.withResolvers<void>();
    let asked = 0;
    slow = () => {
      asked++;
      if (asked === 3) all.resolve();
      return given.promise;
    };
    const answers = [ask('/slow'), ask('/slow'), ask('/slow')];
    await all.promise;
    await once(await open(), 'close');
    given.resolve(plain(200, 'late'));
    for (const answer of await Promise.all(answers)) expect(answer).to.include({ status: 200 });
    expect(await ask('/fast')).to.include({ status: 200 });
  });

  it('says where it could not listen', async () => {
    let thrown: unknown;
    await start({ port: server.port }).catch((error: unknown) => (thrown = error));
    expect(thrown).to.be.instanceOf(Error);
    expect(thrown)
      .to.have.property('message')
      .that.includes(`can't listen on ${host}:`)
      .and.includes('another --listen');
  });

  it('closes although connections are kept alive, or never said a word', async () => {
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    await ask('/fast', { agent });
    const silent = await open();
    const ended = once(silent, 'close');
    await ask('/fast');
    await server.close();
    await ended;
  });

  it('answers what is under way when it closes, and keeps that connection no longer', async () => {
    const asked = Promise.withResolvers<void>();
    const given = Promise.withResolvers<Given>();
    slow = () => {
      asked.resolve();
      return given.promise;
    };
    const agent = new Agent({ keepAlive: true });
    agents.push(agent);
    const answer = ask('/slow', { agent });
    await asked.promise;
    const closed = server.close();
    given.resolve(plain(200, 'late 1'));
    expect(await answer).to.include({ status: 200, text: 'late 1\n' });
    expect((await answer).headers).to.include({ connection: 'close' });
    await closed;
  });
});
