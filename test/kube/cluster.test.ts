// The caches of everything that is watched, against a scripted HTTP server: which kinds are asked
// for, and which of them are named until their first list is there.
import { expect } from 'chai';
import type { RouteKind } from '../../src/api/schema.ts';
import { createClusterWatch, servedRouteKinds } from '../../src/kube/cluster.ts';
import type { ClusterWatch } from '../../src/kube/cluster.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import type { KubeTransport } from '../../src/kube/transport.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import {
  beginWatch,
  FakeServer,
  reply,
  replyStatus,
  sendEvent,
  transportTo,
  type Received,
} from './fakeServer.ts';
import { until } from './until.ts';

const own = 'app.kubernetes.io/managed-by=x0tta';
const always = ['x0ttadeployments', 'replicasets', 'pods', 'services', 'endpointslices'];

describe('the caches of a cluster', () => {
  let server: FakeServer;
  let clock: FakeClock;
  let client: KubeTransport;
  let watch: ClusterWatch;
  let changed: string[];
  let logged: string[];
  /** The newest request for each kind that is watched. */
  let asked: Map<string, Received>;

  beforeEach(async () => {
    server = new FakeServer();
    await server.start();
    clock = new FakeClock();
    client = transportTo(server, clock);
    [changed, logged] = [[], []];
    asked = new Map();
    server.answer = (received) => {
      asked.set(received.path.slice(received.path.lastIndexOf('/') + 1), received);
      beginWatch(received);
    };
    watch = watching('HTTPRoute', 'GRPCRoute');
  });

  afterEach(async () => {
    await watch.stop();
    await client.close();
    await server.stop();
    expect(clock.pendingTimers, 'timers left behind').to.equal(0);
  });

  function watching(...routeKinds: readonly RouteKind[]): ClusterWatch {
    return createClusterWatch({
      client,
      clock,
      random: () => 0.5,
      log: (_, message) => void logged.push(message),
      onChange: (key) => void changed.push(key),
      strings: new SharedStrings(),
      routeKinds,
      namespaces: null,
    });
  }

  async function start(kinds: number): Promise<void> {
    watch.start();
    await until(() => asked.size === kinds);
  }

  function endList(kind: string): void {
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const received = asked.get(kind);
    if (received === undefined) throw new Error(`nobody asked for ${kind}`);
    sendEvent(received, 'BOOKMARK', { metadata: { resourceVersion: '7', annotations } });
  }

  it('are all named until each has its first list, and then one by one no more', async () => {
    const all = [...always, 'httproutes', 'grpcroutes'];
    expect(watch.unsynced(), 'before the start').to.deep.equal(all);
    await start(all.length);
    expect(watch.unsynced()).to.deep.equal(all);
    let synced = false;
    const whenSynced = watch.whenSynced().then(() => (synced = true));
    // The last in their order first, so that no name stands for one of another place.
    const missing = all.toReversed();
    while (missing.length > 0) {
      expect(synced, `without ${missing.join()}`).to.equal(false);
      endList(missing.shift() ?? '');
      await until(() => watch.unsynced().length <= missing.length);
      expect(watch.unsynced()).to.deep.equal(missing.toReversed());
    }
    await whenSynced;
  });

  it('are not synced by objects alone, and tell of none before the list is whole', async () => {
    await start(7);
    const metadata = { name: 'shop', namespace: 'mesh', uid: 'u', resourceVersion: '5' };
    const object = { metadata, spec: { traffic: { service: 'shop' } } };
    const received = asked.get('x0ttadeployments');
    if (received === undefined) throw new Error('nobody asked for objects');
    sendEvent(received, 'ADDED', object);
    for (const kind of always.slice(1)) endList(kind);
    await until(() => watch.unsynced().length === 3);
    expect(watch.unsynced()).to.include('x0ttadeployments');
    expect(changed).to.deep.equal([]);
    endList('x0ttadeployments');
    await until(() => watch.unsynced().length === 2);
    expect(changed).to.deep.equal(['mesh/shop']);
  });

  it('stay whole while a watch is interrupted', async () => {
    await start(7);
    for (const kind of asked.keys()) endList(kind);
    await watch.whenSynced();
    server.cut();
    await until(() => logged.length === 7);
    expect(new Set(logged)).to.deep.equal(new Set(['a watch is interrupted and goes on']));
    expect(watch.unsynced()).to.deep.equal([]);
  });

  it('are of our own objects where those have a label', async () => {
    await start(7);
    const selectors = [...asked].map(([kind, { query }]) => [kind, query['labelSelector']]);
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
    watch = watching('HTTPRoute');
    await start(6);
    expect(watch.unsynced()).to.deep.equal([...always, 'httproutes']);
    for (const kind of asked.keys()) endList(kind);
    await watch.whenSynced();
    expect(asked.has('grpcroutes')).to.equal(false);
  });

  it('know which kinds of routes the server has, and none without the Gateway API', async () => {
    const resources = [{ kind: 'Gateway' }, { kind: 'GRPCRoute' }];
    server.answer = (received) => reply(received, 200, { resources });
    expect(await servedRouteKinds(client)).to.deep.equal(['GRPCRoute']);
    server.answer = (received) => replyStatus(received, 404, 'NotFound', 'no such group');
    expect(await servedRouteKinds(client)).to.deep.equal([]);
    server.answer = (received) => replyStatus(received, 403, 'Forbidden', 'not yours');
    const refused = await servedRouteKinds(client).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(Error);
  });
});
