// Requests of the transport against a scripted HTTP server: connections, patches, errors, bounds.
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import type { Credentials } from '../../src/kube/config.ts';
import { isConflict, isExpired, isNotFound, KubeError } from '../../src/kube/errors.ts';
import { pods, resourcePath } from '../../src/kube/resources.ts';
import type { KubeRequest, KubeTransport } from '../../src/kube/transport.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { connectionTo, FakeServer, reply, replyStatus, transportTo } from './fakeServer.ts';

const GET: KubeRequest = { method: 'GET', path: '/api/v1/namespaces/n/pods/p' };

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(KubeError);
    return error as KubeError;
  }
  throw new Error('the request succeeded');
}

describe('transport', () => {
  let server: FakeServer;
  let clock: FakeClock;
  let client: KubeTransport;

  beforeEach(async () => {
    server = new FakeServer();
    await server.start();
    clock = new FakeClock();
    client = transportTo(server, clock);
  });

  afterEach(async () => {
    await client.close();
    await server.stop();
    expect(clock.pendingTimers, 'timers left behind').to.equal(0);
  });

  it('keeps its connection for requests that follow each other', async () => {
    server.answer = (received) => reply(received, 200, { path: received.path });
    for (let i = 0; i < 20; i++) {
      expect(await client.request({ ...GET, path: `/api/v1/namespaces/n${i}` })).to.deep.equal({
        path: `/api/v1/namespaces/n${i}`,
      });
    }
    // undici opens a second one when a request comes in the turn in which an answer ends.
    expect(server.connections).to.be.at.most(2);
  });

  it('bounds the connections that many requests at once open', async () => {
    server.answer = (received) => reply(received, 200, {});
    await Promise.all(Array.from({ length: 200 }, () => client.request(GET)));
    expect(server.connections).to.be.within(1, 64);
  });

  it('sends headers, query and escaped path, also behind a path of the server', async () => {
    const connection = { ...connectionTo(server), serverUrl: `${server.url}/clusters/c1/` };
    const behind = transportTo(server, clock, connection);
    const path = resourcePath(pods, 'n', 'a/b ä', 'status');
    const done = behind.request({ method: 'GET', path, query: { labelSelector: 'a=b,c in (d)' } });
    const received = await server.next();
    reply(received, 200, {});
    await done;
    await behind.close();
    expect(received.path).to.equal('/clusters/c1/api/v1/namespaces/n/pods/a%2Fb%20%C3%A4/status');
    expect(received.query).to.deep.equal({ labelSelector: 'a=b,c in (d)' });
    expect(received.headers.authorization).to.equal('Bearer secret');
    expect(received.headers['user-agent']).to.equal('x0tta/test');
  });

  for (const [patch, contentType] of [
    ['json', 'application/json-patch+json'],
    ['merge', 'application/merge-patch+json'],
    ['strategic', 'application/strategic-merge-patch+json'],
  ] as const) {
    it(`labels a ${patch} patch as ${contentType}`, async () => {
      const done = client.request({ ...GET, method: 'PATCH', patch, body: [{ op: 'test' }] });
      const received = await server.next();
      reply(received, 200, {});
      await done;
      expect(received.method).to.equal('PATCH');
      expect(received.headers['content-type']).to.equal(contentType);
      expect(received.body).to.equal('[{"op":"test"}]');
    });
  }

  it('refuses a patch that does not say its type', async () => {
    const error = await failure(client.request({ ...GET, method: 'PATCH', body: {} }));
    expect(error.kind).to.equal('terminal');
  });

  for (const [status, reason, kind] of [
    [400, 'BadRequest', 'terminal'],
    [403, 'Forbidden', 'terminal'],
    [404, 'NotFound', 'terminal'],
    [409, 'Conflict', 'conflict'],
    [409, 'AlreadyExists', 'conflict'],
    [410, 'Expired', 'retryable'],
    [422, 'Invalid', 'terminal'],
    [429, 'TooManyRequests', 'retryable'],
    [500, 'InternalError', 'retryable'],
    [503, 'ServiceUnavailable', 'retryable'],
  ] as const) {
    it(`takes ${status} ${reason} as ${kind}, in the server's own words`, async () => {
      server.answer = (received) => replyStatus(received, status, reason, `words of ${reason}`);
      const error = await failure(client.request(GET));
      expect(error).to.include({ kind, status, reason, message: `words of ${reason}` });
      expect(isNotFound(error)).to.equal(status === 404);
      expect(isConflict(error)).to.equal(status === 409);
      expect(isExpired(error)).to.equal(status === 410);
    });
  }

  it('keeps the causes and the time the server asks for', async () => {
    const causes = [{ field: 'spec.replicas', reason: 'FieldValueInvalid', message: 'too few' }];
    server.answer = (received) => {
      received.response.setHeader('retry-after', '7');
      replyStatus(received, 422, 'Invalid', 'no', { causes });
    };
    const error = await failure(client.request(GET));
    expect(error.causes).to.deep.equal(causes);
    expect(error.retryAfterSeconds).to.equal(7);
  });

  it('tells a failed test of a JSON patch from an object that was rejected', async () => {
    const message = 'the server rejected our request due to an error in our request';
    const patch: KubeRequest = { ...GET, method: 'PATCH', patch: 'json' };
    const tested = [{ op: 'test', path: '/metadata/resourceVersion', value: '1' }];
    server.answer = (received) => replyStatus(received, 422, 'Invalid', message);
    const failed = await failure(client.request({ ...patch, body: tested }));
    expect(failed.kind).to.equal('conflict');
    const untested = await failure(client.request({ ...patch, body: [{ op: 'add' }] }));
    expect(untested.kind).to.equal('terminal');
    server.answer = (received) =>
      replyStatus(received, 422, 'Invalid', 'Pod "p" is invalid', { causes: [{ field: 'spec' }] });
    const rejected = await failure(client.request({ ...patch, body: tested }));
    expect(rejected.kind).to.equal('terminal');
    server.answer = (received) =>
      replyStatus(received, 422, 'Invalid', 'admission webhook "w" denied the request: no');
    const denied = await failure(client.request({ ...patch, body: tested }));
    expect(denied.kind).to.equal('terminal');
  });

  it("keeps a proxy's answer that is no Status, in part", async () => {
    server.answer = ({ response }) => response.writeHead(502).end('<html>'.padEnd(5000, 'x'));
    const error = await failure(client.request(GET));
    expect(error).to.include({ kind: 'retryable', status: 502 });
    expect(error.message)
      .to.match(/^<html>x+$/)
      .and.to.have.length(1024);
  });

  it('takes truncated JSON as retryable', async () => {
    server.answer = ({ response }) => response.writeHead(200).end('{"kind": "Po');
    expect(await failure(client.request(GET))).to.include({
      kind: 'retryable',
      reason: 'Malformed',
    });
  });

  it('takes an answer cut short of its length as retryable', async () => {
    server.answer = ({ response }) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"kind":', () => response.destroy());
    };
    expect(await failure(client.request(GET))).to.include({ kind: 'retryable', reason: 'Network' });
  });

  it('takes a refused connection as retryable, with its cause', async () => {
    await server.stop();
    const error = await failure(client.request(GET));
    expect(error).to.include({ kind: 'retryable', status: 0, reason: 'Network' });
    expect(error.cause).to.be.instanceOf(Error);
    await server.start();
  });

  it('gives up an answer that is too long', async () => {
    const chunk = Buffer.alloc(1024 * 1024, ' ');
    server.answer = ({ response }) => {
      response.writeHead(200);
      const write = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', write);
      write();
    };
    expect(await failure(client.request(GET))).to.include({ kind: 'terminal', reason: 'TooLarge' });
  });

  it('sends again when a kept connection turns out dead, but never a POST', async () => {
    for (const method of ['GET', 'PATCH', 'POST'] as const) {
      let tries = 0;
      server.answer = (received) => {
        tries++;
        if (tries === 1) received.response.destroy();
        else reply(received, 200, { tries });
      };
      const request: KubeRequest = { ...GET, method, body: {}, patch: 'merge' };
      if (method === 'POST') {
        expect(await failure(client.request(request))).to.include({ reason: 'Network' });
        expect(tries).to.equal(1);
      } else {
        expect(await client.request(request)).to.deep.equal({ tries: 2 });
      }
    }
  });

  it('reads the credentials anew when the server refuses them, once', async () => {
    const connection = connectionTo(server, () =>
      Promise.resolve(connection.invalidations === 0 ? 'old' : 'new'),
    );
    const other = transportTo(server, clock, connection);
    server.answer = (received) => {
      if (received.headers.authorization === 'Bearer new') reply(received, 200, { fine: true });
      else replyStatus(received, 401, 'Unauthorized', 'Unauthorized');
    };
    expect(await other.request(GET)).to.deep.equal({ fine: true });
    expect(connection.invalidations).to.equal(1);
    server.answer = (received) => replyStatus(received, 401, 'Unauthorized', 'Unauthorized');
    expect(await failure(other.request(GET))).to.include({ status: 401, kind: 'retryable' });
    expect(connection.invalidations).to.equal(2);
    await other.close();
  });

  it('fails a request in time: without an answer, in mid-answer, without credentials', async () => {
    const silent = failure(client.request({ ...GET, timeoutMs: 2000 }));
    await server.next();
    await clock.advance(1999);
    await clock.advance(1);
    expect(await silent).to.include({ kind: 'retryable', reason: 'Timeout' });

    const partial = failure(client.request(GET));
    (await server.next()).response.writeHead(200).write('{');
    await clock.advance(15_000);
    expect(await partial).to.include({ kind: 'retryable', reason: 'Timeout' });

    const connection = connectionTo(server, () => new Promise(() => {}));
    const locked = transportTo(server, clock, connection);
    const waiting = failure(locked.request(GET));
    await clock.advance(15_000);
    expect(await waiting).to.include({ kind: 'retryable', reason: 'Timeout' });
    await locked.close();
  });

  it('takes credentials that cannot be had as retryable', async () => {
    const connection = connectionTo(server, () => Promise.reject(new Error('the plugin is gone')));
    const locked = transportTo(server, clock, connection);
    const error = await failure(locked.request(GET));
    expect(error).to.include({ kind: 'retryable', reason: 'Credentials' });
    expect(error.message).to.include('the plugin is gone');
    const end = await locked.watch('/api/v1/pods', {}, () => {}, new AbortController().signal);
    expect(end.type).to.equal('failed');
    await locked.close();
  });

  it('keeps its certificates while new ones are half written', async () => {
    const half = '-----BEGIN CERTIFICATE-----\nMIIB';
    let cert: string | undefined;
    const credentials = (): Promise<Credentials> =>
      Promise.resolve({ headers: {}, tls: cert === undefined ? {} : { cert } });
    const connection = { ...connectionTo(server), credentials };
    const other = transportTo(server, clock, connection);
    server.answer = (received) => reply(received, 200, { fine: true });
    cert = half;
    expect(await failure(other.request(GET))).to.include({ kind: 'retryable', reason: 'Network' });
    for (const each of [undefined, half, half, undefined]) {
      cert = each;
      expect(await other.request(GET)).to.deep.equal({ fine: true });
    }
    expect(connection.invalidations, 'and looks at them again').to.equal(3);
    await other.close();
  });

  it('ends a request whose caller gives it up', async () => {
    const abort = new AbortController();
    const done = failure(client.request({ ...GET, signal: abort.signal }));
    await server.next();
    abort.abort();
    expect(await done).to.include({ kind: 'terminal', reason: 'Aborted' });
    const early = await failure(client.request({ ...GET, signal: abort.signal }));
    expect(early.reason).to.equal('Aborted');
    expect(server.untaken).to.equal(0);
  });

  it('leaves no listener on the signal of its caller', async () => {
    server.answer = (received) => reply(received, 200, {});
    const { signal } = new AbortController();
    for (let i = 0; i < 3; i++) await client.request({ ...GET, signal });
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
  });
});
