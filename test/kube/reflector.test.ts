// The reflector with the real transport against a scripted HTTP server, on a fake clock.
import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/port.ts';
import { createReflector } from '../../src/kube/reflector.ts';
import { reply, replyStatus, sendEvent, type Received } from './fakeServer.ts';
import { bookmark, pod, reflected, type Reflected } from './reflected.ts';
import { until } from './until.ts';

function list(objects: readonly KubeObject[], version: number, next?: string): unknown {
  return { metadata: { resourceVersion: String(version), continue: next }, items: objects };
}

describe('reflector', () => {
  let server: Reflected['server'];
  let clock: Reflected['clock'];
  let store: Reflected['store'];
  let options: Reflected['options'];
  let reflector: Reflected['reflector'];
  let heard: Reflected['heard'];
  let takeWatch: Reflected['takeWatch'];
  let waitOut: Reflected['waitOut'];
  let stop: Reflected['stop'];
  let token: () => Promise<string>;
  let logged: string[];
  let unhandled: unknown[];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);

  beforeEach(async () => {
    token = () => Promise.resolve('secret');
    ({ server, clock, store, options, reflector, heard, takeWatch, waitOut, stop } =
      await reflected({
        token: () => token(),
        log: (level, _, fields) => void logged.push(`${level}: ${String(fields?.['error'])}`),
      }));
    [logged, unhandled] = [[], []];
    process.on('unhandledRejection', onUnhandled);
  });

  afterEach(async () => {
    await stop();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled, 'unhandled rejections').to.deep.equal([]);
  });

  /** Starts it, answers the first list and returns the watch that follows, begun. */
  async function startWatching(objects: readonly KubeObject[], version: number): Promise<Received> {
    reflector.start();
    reply(await server.next(), 200, list(objects, version));
    return takeWatch(version);
  }

  async function takeList(): Promise<Received> {
    const received = await server.next();
    expect(received.query).to.deep.equal({ limit: '500', labelSelector: 'app=x' });
    return received;
  }

  it('lists consistently, then watches with bookmarks from the version of the list', async () => {
    reflector.start();
    expect(reflector.synced).to.equal(false);
    reply(await takeList(), 200, list([pod('a', 3)], 7));
    await reflector.whenSynced();
    expect(reflector.synced).to.equal(true);
    const watch = await takeWatch(7);
    expect(watch.path).to.equal('/api/v1/pods');
    expect(watch.query).to.include({ allowWatchBookmarks: 'true', labelSelector: 'app=x' });
    expect(Number(watch.query['timeoutSeconds'])).to.be.within(300, 600);
    sendEvent(watch, 'ADDED', pod('b', 8));
    sendEvent(watch, 'MODIFIED', pod('a', 9));
    sendEvent(watch, 'DELETED', pod('b', 10));
    await until(() => heard.length === 4);
    expect(heard).to.deep.equal(['n/a ->3', 'n/b ->8', 'n/a 3>9', 'n/b 8>-']);
    expect(store.get('n/a')).to.include({ apiVersion: 'v1', kind: 'Pod' });
  });

  it('reads all pages before the store sees any', async () => {
    reflector.start();
    reply(await takeList(), 200, list([pod('a', 1)], 7, 'next/page'));
    const second = await server.next();
    expect(second.query).to.include({ continue: 'next/page', limit: '500' });
    expect(heard).to.deep.equal([]);
    reply(second, 200, list([pod('b', 2)], 7));
    await reflector.whenSynced();
    expect(heard).to.deep.equal(['n/a ->1', 'n/b ->2']);
    await takeWatch(7);
  });

  it('begins the list anew when its continue token is too old', async () => {
    reflector.start();
    reply(await takeList(), 200, list([pod('a', 1)], 7, 'token'));
    replyStatus(await server.next(), 410, 'Expired', 'the token is too old');
    await waitOut();
    reply(await takeList(), 200, list([pod('b', 2)], 9));
    await takeWatch(9);
    expect(heard).to.deep.equal(['n/b ->2']);
  });

  it('goes on from the last event or bookmark when the server closes the watch', async () => {
    const first = await startWatching([], 7);
    sendEvent(first, 'ADDED', pod('a', 8));
    first.response.end();
    const second = await takeWatch(8);
    sendEvent(second, 'BOOKMARK', bookmark(20));
    second.response.end();
    await takeWatch(20);
    expect(heard).to.deep.equal(['n/a ->8']);
  });

  for (const way of ['as an HTTP error', 'in the stream'] as const) {
    it(`lists again on 410 ${way} and tells the difference only`, async () => {
      const first = await startWatching([pod('a', 1), pod('b', 2), pod('c', 3)], 7);
      if (way === 'in the stream') {
        sendEvent(first, 'ERROR', { code: 410, reason: 'Expired', message: 'too old' });
        first.response.end();
      } else {
        sendEvent(first, 'BOOKMARK', bookmark(7));
        first.response.end();
        replyStatus(await server.next(), 410, 'Expired', 'too old');
      }
      await waitOut();
      reply(await takeList(), 200, list([pod('a', 1), pod('b', 8)], 9));
      await takeWatch(9);
      expect(heard.slice(3)).to.deep.equal(['n/b 2>8', 'n/c 3>-']);
      expect(reflector.synced).to.equal(true);
    });
  }

  it('goes on after every other ERROR event, status and cut, from where it was', async () => {
    const interruptions: ((watch: Received) => void)[] = [
      (watch) => sendEvent(watch, 'ERROR', { code: 500, reason: 'InternalError', message: 'x' }),
      (watch) => sendEvent(watch, 'ERROR', { code: 403, reason: 'Forbidden', message: 'x' }),
      (watch) => sendEvent(watch, 'ERROR', null),
      (watch) => sendEvent(watch, 'SURPRISE', {}),
      (watch) => watch.response.write('no JSON\n'),
      (watch) => watch.response.write('{"type":"ADDED","object":{"met', () => server.cut()),
      () => server.cut(),
    ];
    let version = 7;
    let watch = await startWatching([], version);
    for (const interrupt of interruptions) {
      version++;
      sendEvent(watch, 'ADDED', pod(`p${version}`, version));
      await until(() => store.size === version - 7);
      interrupt(watch);
      await waitOut();
      watch = await takeWatch(version);
    }
    expect(heard).to.have.length(interruptions.length);
  });

  it('backs off with each refusal, lists when the version may be at fault, and heals', async () => {
    await startWatching([], 7);
    server.cut();
    const waitsMs: number[] = [];
    let listed: Received | undefined;
    for (let refusals = 0; listed === undefined; refusals++) {
      await until(() => reflector.state === 'waiting' && clock.pendingTimers > 0);
      waitsMs.push(clock.nextTimerMs() ?? NaN);
      await clock.advance(waitsMs.at(-1) ?? 0);
      const received = await server.next();
      if (received.query['watch'] === undefined) listed = received;
      else replyStatus(received, 500, 'InternalError', 'etcd is away');
      expect(refusals).to.be.below(10);
    }
    expect(waitsMs).to.deep.equal([300, 600, 1200, 2400, 4800]);
    reply(listed, 200, list([pod('a', 8)], 9));
    const watch = await takeWatch(9);
    sendEvent(watch, 'BOOKMARK', bookmark(10));
    watch.response.end();
    await takeWatch(10);
    expect(heard).to.deep.equal(['n/a ->8']);
  });

  it('never asks without a pause, also when watches close at once in good order', async () => {
    const watch = await startWatching([], 7);
    watch.response.end();
    await waitOut();
    (await takeWatch(7)).response.end();
    await until(() => reflector.state === 'waiting');
    expect(server.untaken).to.equal(0);
  });

  it('goes on after a list that fails, and leaves the store alone meanwhile', async () => {
    reflector.start();
    replyStatus(await takeList(), 500, 'InternalError', 'etcd is away');
    await waitOut();
    (await takeList()).response.writeHead(200).end('{"items": [');
    await waitOut();
    reply(await takeList(), 200, { metadata: {}, items: [] });
    await waitOut();
    reply(await takeList(), 200, list([{ metadata: { name: 'x' } } as KubeObject], 6));
    await waitOut();
    replyStatus(await takeList(), 403, 'Forbidden', 'not yours');
    await waitOut();
    expect(reflector.synced).to.equal(false);
    reply(await takeList(), 200, list([pod('a', 1)], 7));
    await reflector.whenSynced();
    expect(heard).to.deep.equal(['n/a ->1']);
  });

  it('says each reason for a long wait twice, as a fault and as a lasting one', async () => {
    reflector.start();
    for (const message of ['away', 'away', 'away', 'away', 'no', 'no']) {
      replyStatus(await takeList(), 503, 'ServiceUnavailable', message);
      await waitOut();
    }
    reply(await takeList(), 200, list([], 7));
    await reflector.whenSynced();
    const said = logged.filter((line) => !line.startsWith('debug'));
    expect(said).to.deep.equal(['info: away', 'warn: away', 'warn: no']);
    expect(logged).to.have.lengthOf(6);
  });

  it('waits as long as the server asks', async () => {
    reflector.start();
    const received = await takeList();
    received.response.setHeader('retry-after', '4');
    replyStatus(received, 429, 'TooManyRequests', 'slow down');
    await until(() => reflector.state === 'waiting' && clock.pendingTimers > 0);
    expect(clock.nextTimerMs()).to.equal(4000);
  });

  it('goes on when credentials fail on a reconnect, without an unhandled rejection', async () => {
    const watch = await startWatching([], 7);
    sendEvent(watch, 'ADDED', pod('a', 8));
    await until(() => store.size === 1);
    token = () => Promise.reject(new Error('the plugin is gone'));
    server.cut();
    await waitOut();
    await waitOut();
    expect([reflector.synced, reflector.current]).to.deep.equal([true, false]);
    token = () => Promise.resolve('secret');
    await waitOut();
    sendEvent(await takeWatch(8), 'BOOKMARK', bookmark(9));
    await until(() => reflector.current);
    expect(unhandled).to.deep.equal([]);
  });

  it('leaves a watch that is silent for too long', async () => {
    const watch = await startWatching([], 7);
    sendEvent(watch, 'BOOKMARK', bookmark(9));
    watch.response.write('\n');
    await until(() => clock.nextTimerMs() === 180_000);
    await clock.advance(180_000);
    await waitOut();
    await takeWatch(9);
  });

  it('lists again when a watch has brought nothing at all for too long', async () => {
    await startWatching([pod('a', 90)], 100);
    await until(() => clock.nextTimerMs() === 180_000);
    await clock.advance(180_000);
    await waitOut();
    reply(await takeList(), 200, list([pod('a', 40)], 50));
    await takeWatch(50);
    expect(heard).to.deep.equal(['n/a ->90', 'n/a 90>40']);
  });

  it('lists again when a watch steps back, as after a restored backup', async () => {
    const watch = await startWatching([pod('a', 5)], 7);
    sendEvent(watch, 'MODIFIED', pod('a', 4));
    await waitOut();
    reply(await takeList(), 200, list([pod('a', 4)], 6));
    await takeWatch(6);
    expect(heard).to.deep.equal(['n/a ->5', 'n/a 5>4']);
  });

  it('does not undo an own write by an older list or event', async () => {
    const watch = await startWatching([pod('a', 5)], 7);
    store.applyOwnWrite(pod('a', 9));
    sendEvent(watch, 'MODIFIED', pod('a', 8));
    sendEvent(watch, 'ERROR', { code: 410, reason: 'Expired', message: 'too old' });
    await waitOut();
    reply(await takeList(), 200, list([pod('a', 8)], 8));
    await takeWatch(8);
    expect(store.get('n/a')?.metadata.resourceVersion).to.equal('9');
  });

  it('opens no watch and changes nothing when stopped during the list', async () => {
    reflector.start();
    const received = await takeList();
    const synced = reflector.whenSynced().then(
      () => 'synced',
      (error: unknown) => String(error),
    );
    await reflector.stop();
    received.response.on('error', () => undefined);
    reply(received, 200, list([pod('a', 1)], 7));
    expect(await synced).to.include('stopped before it synced');
    await clock.advance(60_000);
    expect(server.untaken).to.equal(0);
    expect(heard).to.deep.equal([]);
  });

  it('takes no list that a client answers after the stop', async () => {
    const answer = Promise.withResolvers<unknown>();
    const late = createReflector({
      ...options,
      client: { ...options.client, request: <T>() => answer.promise as Promise<T> },
    });
    late.start();
    const stopped = late.stop();
    answer.resolve(list([pod('a', 1)], 7));
    await stopped;
    expect(heard).to.deep.equal([]);
    expect(late.synced).to.equal(false);
  });

  it('lists anew when it is told to, in the middle of a watch and of another list', async () => {
    await startWatching([pod('a', 3)], 7);
    const first = reflector.relist();
    await takeList();
    const second = reflector.relist();
    reply(await takeList(), 200, list([pod('a', 3), pod('b', 9)], 9));
    await Promise.all([first, second]);
    expect(store.list()).to.have.lengthOf(2);
    await takeWatch(9);
  });

  it('stops in the middle of a watch and of a wait', async () => {
    await startWatching([], 7);
    await reflector.stop();
    expect(reflector.state).to.equal('stopped');
    const other = createReflector(options);
    other.start();
    replyStatus(await server.next(), 500, 'InternalError', 'x');
    await until(() => other.state === 'waiting');
    await other.stop();
    expect(clock.pendingTimers).to.equal(0);
    expect(server.untaken).to.equal(0);
  });
});
