// The caches of everything that is watched, against a scripted HTTP server: which kinds are asked
// for, and which of them are named until their first list is there.
import { expect } from 'chai';
import { servedRouteKinds } from '../../src/kube/cluster.ts';
import type { ClusterWatch } from '../../src/kube/cluster.ts';
import { reply, replyStatus } from './fakeServer.ts';
import { until } from './until.ts';
import { always, pathOf, watchedCluster } from './watchedCluster.ts';
import type { Kind, WatchedCluster } from './watchedCluster.ts';

const own = 'app.kubernetes.io/managed-by=x0tta';

describe('the caches of a cluster', () => {
  let cluster: WatchedCluster;
  let watch: ClusterWatch;

  beforeEach(async () => {
    cluster = await watchedCluster();
    watch = cluster.watching(['HTTPRoute', 'GRPCRoute']);
  });

  afterEach(() => cluster.stop(watch));

  async function start(kinds: number): Promise<void> {
    watch.start();
    await until(() => cluster.asked.size === kinds);
  }

  function endLists(...paths: readonly string[]): void {
    for (const path of paths) cluster.endList(path, 7);
  }

  it('are all named until each has its first list, and then one by one no more', async () => {
    const all: readonly Kind[] = [...always, 'httproutes', 'grpcroutes'];
    expect(watch.unsynced(), 'before the start').to.deep.equal(all);
    await start(all.length);
    expect(watch.unsynced()).to.deep.equal(all);
    let synced = false;
    const whenSynced = watch.whenSynced().then(() => (synced = true));
    // The last in their order first, so that no name stands for one of another place.
    const missing = all.toReversed();
    for (let kind = missing.shift(); kind !== undefined; kind = missing.shift()) {
      expect(synced, `without ${[kind, ...missing].join()}`).to.equal(false);
      endLists(pathOf(kind));
      await until(() => watch.unsynced().length <= missing.length);
      expect(watch.unsynced()).to.deep.equal(missing.toReversed());
    }
    await whenSynced;
  });

  it('are not synced by objects alone, and tell of none before the list is whole', async () => {
    await start(7);
    const metadata = { name: 'shop', namespace: 'mesh', uid: 'u', resourceVersion: '5' };
    cluster.send(pathOf('x0ttadeployments'), 'ADDED', metadata);
    endLists(...always.slice(1).map((kind) => pathOf(kind)));
    await until(() => watch.unsynced().length === 3);
    expect(watch.unsynced()).to.include('x0ttadeployments');
    expect(cluster.changed).to.deep.equal([]);
    endLists(pathOf('x0ttadeployments'));
    await until(() => watch.unsynced().length === 2);
    expect(cluster.changed).to.deep.equal(['mesh/shop']);
  });

  it('stay whole while a watch is interrupted', async () => {
    await start(7);
    endLists(...cluster.asked.keys());
    await watch.whenSynced();
    cluster.server.cut();
    await until(() => cluster.logged.length === 7);
    expect(new Set(cluster.logged)).to.deep.equal(new Set(['a watch is interrupted and goes on']));
    expect(watch.unsynced()).to.deep.equal([]);
    await until(() => !Object.values(watch.current()).includes(true));
  });

  it('are of our own objects where those have a label', async () => {
    await start(7);
    const selectors = [...cluster.asked].map(([path, { query }]) => [
      path.slice(path.lastIndexOf('/') + 1),
      query['labelSelector'],
    ]);
    expect(Object.fromEntries(selectors)).to.deep.equal({
      x0ttadeployments: undefined,
      replicasets: 'x0tta.io/object',
      pods: 'x0tta.io/object',
      services: own,
      endpointslices: own,
      httproutes: undefined,
      grpcroutes: undefined,
    });
  });

  it('wait for no kind of route that the server does not have', async () => {
    watch = cluster.watching(['HTTPRoute']);
    await start(6);
    expect(watch.unsynced()).to.deep.equal([...always, 'httproutes']);
    endLists(...cluster.asked.keys());
    await watch.whenSynced();
    expect(cluster.asked.has(pathOf('grpcroutes'))).to.equal(false);
  });

  it('take a kind of route that is served later, and once', async () => {
    watch = cluster.watching([]);
    await start(always.length);
    endLists(...always.map((kind) => pathOf(kind)));
    await watch.whenSynced();
    watch.watchRoutes(['GRPCRoute']);
    watch.watchRoutes(['GRPCRoute', 'HTTPRoute']);
    await until(() => cluster.asked.size === 7);
    expect(watch.unsynced()).to.deep.equal(['grpcroutes', 'httproutes']);
    endLists(pathOf('grpcroutes'), pathOf('httproutes'));
    await watch.whenSynced();
    expect(watch.unsynced()).to.deep.equal([]);
  });

  it('are not synced while they are listed anew', async () => {
    await start(7);
    endLists(...cluster.asked.keys());
    await watch.whenSynced();
    expect(new Set(Object.values(watch.current()))).to.deep.equal(new Set([true]));
    cluster.asked.clear();
    const relisted = watch.relist();
    expect(watch.unsynced()).to.have.lengthOf(7);
    await until(() => cluster.asked.size === 7);
    endLists(...[...cluster.asked.keys()].filter((path) => !path.endsWith('pods')));
    await until(() => watch.unsynced().length === 1);
    expect(watch.unsynced()).to.deep.equal(['pods']);
    expect(watch.current()).to.include({ pods: false, services: true, httproutes: true });
    endLists(pathOf('pods'));
    await relisted;
    expect(watch.unsynced()).to.deep.equal([]);
  });

  it('know which kinds of routes the server has, and none without the Gateway API', async () => {
    const resources = [{ kind: 'Gateway' }, { kind: 'GRPCRoute' }];
    cluster.server.answer = (received) => reply(received, 200, { resources });
    expect(await servedRouteKinds(cluster.client)).to.deep.equal(['GRPCRoute']);
    cluster.server.answer = (received) => replyStatus(received, 404, 'NotFound', 'no such group');
    expect(await servedRouteKinds(cluster.client)).to.deep.equal([]);
    cluster.server.answer = (received) => replyStatus(received, 403, 'Forbidden', 'not yours');
    const refused = await servedRouteKinds(cluster.client).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Error);
  });
});
