// Watches of the transport against a scripted HTTP server: cuts, errors, silence and stops.
import { expect } from 'chai';
import type { KubeTransport, WatchEnd } from '../../src/kube/transport.ts';
import { readWatch } from '../../src/kube/watchStream.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { beginWatch, FakeServer, replyStatus, sendEvent, transportTo } from './fakeServer.ts';

describe('watch', () => {
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

  interface Watch {
    readonly events: unknown[];
    readonly end: Promise<WatchEnd>;
    readonly stop: AbortController;
    /** Resolves when so many events have come. */
    readonly has: (count: number) => Promise<void>;
  }

  function watch(): Watch {
    const events: unknown[] = [];
    const stop = new AbortController();
    let check = (): void => undefined;
    const end = client.watch(
      '/api/v1/pods',
      { resourceVersion: '5' },
      (type, object) => {
        events.push([type, object]);
        check();
      },
      stop.signal,
    );
    const has = (count: number): Promise<void> =>
      new Promise((resolve) => {
        check = () => {
          if (events.length >= count) resolve();
        };
        check();
      });
    return { events, end, stop, has };
  }

  it('reads events however the bytes are cut', async () => {
    const event = { type: 'ADDED', object: { name: 'грузовик 🚚' } };
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    async function* bytes(): AsyncGenerator<Uint8Array> {
      for (const byte of Buffer.concat([line, line])) yield await Promise.resolve(Buffer.of(byte));
    }
    const objects: unknown[] = [];
    await readWatch(bytes(), (_type, object) => objects.push(object));
    expect(objects).to.deep.equal([event.object, event.object]);
  });

  it('hands on events, skips empty lines, and closes when the server does', async () => {
    const { events, end } = watch();
    const received = await server.next();
    expect(received.query).to.deep.equal({ resourceVersion: '5', watch: 'true' });
    beginWatch(received);
    const event = { type: 'ADDED', object: { name: 'грузовик 🚚' } };
    const bytes = Buffer.from(`${JSON.stringify(event)}\n\n${JSON.stringify(event)}\n`);
    received.response.end(bytes);
    expect(await end).to.deep.equal({ type: 'closed' });
    expect(events).to.deep.equal([
      ['ADDED', event.object],
      ['ADDED', event.object],
    ]);
  });

  it('ends as failed when cut in the middle of an event, by a close or a reset', async () => {
    for (const cut of ['close', 'reset']) {
      const { events, end, has } = watch();
      const received = await server.next();
      beginWatch(received);
      sendEvent(received, 'ADDED', { n: 1 });
      await has(1);
      received.response.write('{"type":"MODI');
      if (cut === 'close') received.response.end();
      else received.response.destroy();
      const ended = await end;
      if (ended.type !== 'failed') throw new Error(`the watch ended as ${ended.type}`);
      expect(ended.error.kind).to.equal('retryable');
      expect(events).to.have.length(1);
    }
  });

  for (const [object, expected] of [
    [
      { code: 410, reason: 'Expired', message: 'too old' },
      { status: 410, message: 'too old' },
    ],
    [
      { code: 500, reason: 'InternalError', message: 'etcd' },
      { status: 500, message: 'etcd' },
    ],
    [null, { status: 500, kind: 'retryable' }],
  ] as const) {
    it(`ends as failed on the ERROR event ${JSON.stringify(object)}`, async () => {
      const { end, events } = watch();
      const received = await server.next();
      beginWatch(received);
      sendEvent(received, 'ERROR', object);
      const ended = await end;
      if (ended.type !== 'failed') throw new Error(`the watch ended as ${ended.type}`);
      expect(ended.error).to.include(expected);
      expect(events).to.deep.equal([]);
    });
  }

  it('ends as failed on an HTTP error, and on what its listener throws', async () => {
    const refused = watch();
    replyStatus(await server.next(), 403, 'Forbidden', 'not yours');
    const end = await refused.end;
    if (end.type !== 'failed') throw new Error(`the watch ended as ${end.type}`);
    expect(end.error).to.include({ status: 403, message: 'not yours' });

    const thrown = new Error('from the listener');
    const throwing = client.watch(
      '/api/v1/pods',
      {},
      () => {
        throw thrown;
      },
      new AbortController().signal,
    );
    const received = await server.next();
    beginWatch(received);
    sendEvent(received, 'ADDED', {});
    const ended = await throwing;
    if (ended.type !== 'failed') throw new Error(`the watch ended as ${ended.type}`);
    expect(ended.error.cause).to.equal(thrown);
  });

  it('ends as failed when silent for too long, counted from the last byte', async () => {
    const { end, has } = watch();
    const received = await server.next();
    beginWatch(received);
    sendEvent(received, 'BOOKMARK', {});
    await has(1);
    await clock.advance(170_000);
    sendEvent(received, 'BOOKMARK', {});
    await has(2);
    await clock.advance(170_000);
    expect(clock.pendingTimers).to.equal(1);
    await clock.advance(10_000);
    const ended = await end;
    if (ended.type !== 'failed') throw new Error(`the watch ended as ${ended.type}`);
    expect(ended.error).to.include({ kind: 'retryable', reason: 'Timeout' });
  });

  it('ends as stopped, also before it began', async () => {
    const { end, has, stop } = watch();
    const received = await server.next();
    beginWatch(received);
    sendEvent(received, 'ADDED', {});
    await has(1);
    stop.abort();
    expect(await end).to.deep.equal({ type: 'stopped' });
    const late = await client.watch('/api/v1/pods', {}, () => {}, stop.signal);
    expect(late).to.deep.equal({ type: 'stopped' });
  });
});
