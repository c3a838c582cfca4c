// Lists that come as the beginning of a watch (WatchList): when such a list is whole, what becomes
// of one that is cut, and a server that streams none.
import { expect } from 'chai';
import type { KubeObject } from '../../src/kube/port.ts';
import { beginWatch, reply, replyStatus, sendEvent, type Received } from './fakeServer.ts';
import { bookmark, pod, reflected, type Reflected } from './reflected.ts';
import { until } from './until.ts';

describe('a list that is streamed', () => {
  let server: Reflected['server'];
  let store: Reflected['store'];
  let reflector: Reflected['reflector'];
  let heard: Reflected['heard'];
  let takeWatch: Reflected['takeWatch'];
  let waitOut: Reflected['waitOut'];
  let stop: Reflected['stop'];
  let logged: string[];
  /** Objects that were read, into the store or not. */
  let read: number;

  beforeEach(async () => {
    [logged, read] = [[], 0];
    ({ server, store, reflector, heard, takeWatch, waitOut, stop } = await reflected({
      streamsLists: true,
      log: (_, message) => void logged.push(message),
      keep: (object) => {
        read++;
        return object;
      },
    }));
    reflector.start();
  });

  afterEach(() => stop());

  /** The request for a streamed list, whose answer begins. */
  async function takeStream(): Promise<Received> {
    const received = await server.next();
    expect(received.query).to.include({ watch: 'true', sendInitialEvents: 'true' });
    beginWatch(received);
    return received;
  }

  function endList(stream: Received, version: number): void {
    sendEvent(stream, 'BOOKMARK', bookmark(version, { 'k8s.io/initial-events-end': 'true' }));
  }

  async function streamList(version: number, ...objects: readonly KubeObject[]): Promise<Received> {
    const stream = await takeStream();
    for (const object of objects) sendEvent(stream, 'ADDED', object);
    endList(stream, version);
    return stream;
  }

  it('is asked for as the beginning of a watch, in the newest state that there is', async () => {
    const { path, query } = await takeStream();
    expect(path).to.equal('/api/v1/pods');
    expect(query).to.include({
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
      labelSelector: 'app=x',
    });
    // A version would allow an older state, and a limit would be refused.
    expect(query).not.to.have.any.keys('resourceVersion', 'limit');
  });

  it('is whole at the bookmark that ends it, and its stream goes on as the watch', async () => {
    const stream = await takeStream();
    sendEvent(stream, 'ADDED', pod('b', 5));
    sendEvent(stream, 'ADDED', pod('a', 3));
    endList(stream, 7);
    await reflector.whenSynced();
    expect([reflector.synced, reflector.state]).to.deep.equal([true, 'watching']);
    expect(heard).to.have.members(['n/a ->3', 'n/b ->5']);
    expect(store.get('n/a')).to.include({ apiVersion: 'v1', kind: 'Pod' });
    sendEvent(stream, 'MODIFIED', pod('a', 8));
    sendEvent(stream, 'DELETED', pod('b', 9));
    await until(() => heard.length === 4);
    expect(heard.slice(2)).to.deep.equal(['n/a 3>8', 'n/b 5>-']);
    expect(server.untaken).to.equal(0);
    stream.response.end();
    await takeWatch(9);
  });

  it('is not whole at another bookmark, and the store sees none of it before', async () => {
    const stream = await takeStream();
    sendEvent(stream, 'ADDED', pod('a', 3));
    sendEvent(stream, 'BOOKMARK', bookmark(6));
    sendEvent(stream, 'BOOKMARK', bookmark(6, { 'k8s.io/initial-events-end': 'false' }));
    sendEvent(stream, 'ADDED', pod('b', 5));
    await until(() => read === 2);
    expect([reflector.synced, reflector.state]).to.deep.equal([false, 'listing']);
    expect(heard).to.deep.equal([]);
    endList(stream, 7);
    await reflector.whenSynced();
    expect(heard).to.have.members(['n/a ->3', 'n/b ->5']);
  });

  it('has what changed while it came once, and not what was deleted meanwhile', async () => {
    const stream = await takeStream();
    sendEvent(stream, 'ADDED', pod('a', 3));
    sendEvent(stream, 'ADDED', pod('b', 5));
    sendEvent(stream, 'MODIFIED', pod('a', 8));
    sendEvent(stream, 'DELETED', pod('b', 9));
    endList(stream, 9);
    await reflector.whenSynced();
    expect(heard).to.deep.equal(['n/a ->8']);
    stream.response.end();
    await takeWatch(9);
  });

  const cuts: readonly (readonly [string, (stream: Received) => void])[] = [
    ['ends in good order', ({ response }) => void response.end()],
    ['is cut in an event', ({ response }) => void response.end('{"type":"ADDED","object":{"met')],
    ['loses its connection', () => server.cut()],
    ['is given up by the server', (stream) => sendEvent(stream, 'ERROR', { code: 500 })],
    ['is too old to go on', (stream) => sendEvent(stream, 'ERROR', { code: 410 })],
    ['brings no object', (stream) => sendEvent(stream, 'ADDED', { metadata: { name: 'x' } })],
  ];
  for (const [how, cut] of cuts) {
    it(`begins anew, and is streamed again, when it ${how} before it is whole`, async () => {
      const first = await takeStream();
      sendEvent(first, 'ADDED', pod('a', 3));
      await until(() => read === 1);
      cut(first);
      await until(() => reflector.state === 'waiting');
      expect(reflector.synced).to.equal(false);
      expect(heard).to.deep.equal([]);
      await waitOut();
      await streamList(9, pod('b', 8));
      await reflector.whenSynced();
      // Pod a, of which the first stream told, is gone.
      expect(heard).to.deep.equal(['n/b ->8']);
    });
  }

  it('tells what went away since the one before, and leaves the rest alone', async () => {
    const first = await streamList(7, pod('a', 1), pod('b', 2), pod('c', 3));
    sendEvent(first, 'ERROR', { code: 410, reason: 'Expired', message: 'too old' });
    await waitOut();
    const second = await takeStream();
    read = 0;
    sendEvent(second, 'ADDED', pod('b', 8));
    sendEvent(second, 'ADDED', pod('a', 1));
    await until(() => read === 2);
    expect(heard.slice(3), 'before it is whole').to.deep.equal([]);
    expect(reflector.synced, 'what it holds is still a whole list').to.equal(true);
    endList(second, 9);
    await until(() => heard.length === 5);
    expect(heard.slice(3)).to.have.members(['n/b 2>8', 'n/c 3>-']);
  });

  it('is asked for anew when one is wanted, in the middle of another', async () => {
    const first = await takeStream();
    sendEvent(first, 'ADDED', pod('a', 3));
    await until(() => read === 1);
    const relisted = reflector.relist();
    await streamList(9, pod('b', 8));
    await relisted;
    expect(heard).to.deep.equal(['n/b ->8']);
    const again = reflector.relist();
    await streamList(12);
    await again;
    expect(heard).to.deep.equal(['n/b ->8', 'n/b 8>-']);
  });

  it('comes in pages from a server that streams none, then and later', async () => {
    const refused = await server.next();
    expect(refused.query).to.include({ sendInitialEvents: 'true' });
    const why = 'sendInitialEvents is forbidden for watch unless WatchList is enabled';
    replyStatus(refused, 422, 'Invalid', why);
    const first = await server.next();
    expect(first.query).to.deep.equal({ limit: '500', labelSelector: 'app=x' });
    const page = (items: readonly KubeObject[], more?: string): unknown => ({
      metadata: { resourceVersion: '7', continue: more },
      items,
    });
    reply(first, 200, page([pod('a', 1)], 'next'));
    const second = await server.next();
    expect(second.query).to.include({ continue: 'next' });
    expect(reflector.synced).to.equal(false);
    reply(second, 200, page([pod('b', 2)]));
    await takeWatch(7);
    expect(heard).to.deep.equal(['n/a ->1', 'n/b ->2']);
    expect(logged).to.deep.equal(['the server streams no lists; they are read in pages']);
    const relisted = reflector.relist();
    const later = await server.next();
    expect(later.query).to.deep.equal({ limit: '500', labelSelector: 'app=x' });
    reply(later, 200, page([pod('a', 1)]));
    await relisted;
    expect(heard.slice(2)).to.deep.equal(['n/b 2>-']);
  });

  it('is still streamed by a server that only could not, or did not want to', async () => {
    for (const [status, reason] of [
      [503, 'ServiceUnavailable'],
      [429, 'TooManyRequests'],
      [404, 'NotFound'],
      [403, 'Forbidden'],
    ] as const) {
      replyStatus(await server.next(), status, reason, 'not now');
      await waitOut();
    }
    await streamList(7, pod('a', 3));
    await reflector.whenSynced();
    expect(heard).to.deep.equal(['n/a ->3']);
    expect(logged).not.to.include('the server streams no lists; they are read in pages');
  });
});
