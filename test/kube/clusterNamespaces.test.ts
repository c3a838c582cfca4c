// The caches of an operator that looks after some namespaces only, against a scripted HTTP server:
// it asks for nothing outside of them, and knows which of them is not there yet.
import { expect } from 'chai';
import { createClusterWatch } from '../../src/kube/cluster.ts';
import type { ClusterWatch } from '../../src/kube/cluster.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import type { KubeTransport } from '../../src/kube/transport.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { beginWatch, FakeServer, reply, sendEvent, transportTo } from './fakeServer.ts';
import type { Received } from './fakeServer.ts';
import { until } from './until.ts';

const kinds = [
  'apis/x0tta.io/v1alpha1/namespaces/NS/x0ttadeployments',
  'apis/apps/v1/namespaces/NS/replicasets',
  'api/v1/namespaces/NS/pods',
  'api/v1/namespaces/NS/services',
  'apis/discovery.k8s.io/v1/namespaces/NS/endpointslices',
  'apis/gateway.networking.k8s.io/v1/namespaces/NS/httproutes',
];
const pathsIn = (namespace: string): string[] =>
  kinds.map((kind) => `/${kind.replace('NS', namespace)}`);

describe('the caches of some namespaces', () => {
  let server: FakeServer;
  let clock: FakeClock;
  let client: KubeTransport;
  let watch: ClusterWatch;
  let changed: string[];
  let asked: Map<string, Received>;

  beforeEach(async () => {
    server = new FakeServer();
    await server.start();
    clock = new FakeClock();
    client = transportTo(server, clock);
    changed = [];
    asked = new Map();
    server.answer = (received) => {
      if (received.query['watch'] !== 'true') return reply(received, 200, {});
      asked.set(received.path, received);
      beginWatch(received);
    };
  });

  afterEach(async () => {
    await watch.stop();
    await client.close();
    await server.stop();
    expect(clock.pendingTimers, 'timers left behind').to.equal(0);
  });

  async function start(...namespaces: readonly string[]): Promise<void> {
    watch = createClusterWatch({
      client,
      clock,
      random: () => 0.5,
      log: () => undefined,
      onChange: (key) => void changed.push(key),
      strings: new SharedStrings(),
      routeKinds: ['HTTPRoute'],
      namespaces,
    });
    watch.start();
    await until(() => asked.size === namespaces.length * kinds.length);
  }

  function endLists(version: number): void {
    for (const path of asked.keys()) endList(path, version);
  }

  function send(path: string | undefined, type: string, metadata: object): void {
    const received = asked.get(path ?? '');
    if (received === undefined) throw new Error(`nobody asked for ${path}`);
    sendEvent(received, type, { metadata, spec: { traffic: { service: 'shop' } } });
  }

  function endList(path: string | undefined, version: number): void {
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    send(path, 'BOOKMARK', { resourceVersion: String(version), annotations });
  }

  it('are asked for by namespace, and not of the whole cluster', async () => {
    await start('mesh', 'shop');
    expect([...asked.keys()]).to.have.members([...pathsIn('mesh'), ...pathsIn('shop')]);
  });

  it('are synced when those of each namespace are, and named with it until then', async () => {
    await start('mesh', 'shop');
    for (const path of pathsIn('mesh')) endList(path, 7);
    await until(() => watch.unsynced().length === kinds.length);
    expect(watch.unsynced()).to.include('pods in shop').and.not.include('pods in mesh');
    for (const path of pathsIn('shop')) endList(path, 7);
    await watch.whenSynced();
    expect(watch.unsynced()).to.deep.equal([]);
  });

  it('hold the objects of all of them, however far apart their lists are', async () => {
    await start('mesh', 'shop');
    const object = { name: 'web', resourceVersion: '5' };
    send(pathsIn('shop')[0], 'ADDED', { ...object, namespace: 'shop', uid: 'of-shop' });
    endList(pathsIn('shop')[0], 9);
    await until(() => changed.length === 1);
    send(pathsIn('mesh')[0], 'ADDED', { ...object, namespace: 'mesh', uid: 'of-mesh' });
    endList(pathsIn('mesh')[0], 6);
    await until(() => changed.length === 2);
    expect(changed).to.deep.equal(['shop/web', 'mesh/web']);
    expect(watch.cache.deploymentOfUid('of-shop')?.metadata.namespace).to.equal('shop');
    expect(watch.cache.deployment('mesh/web')?.metadata.uid).to.equal('of-mesh');
  });

  it('are listed anew each for itself', async () => {
    await start('mesh', 'shop');
    for (const [namespace, path] of [
      ['mesh', pathsIn('mesh')[0]],
      ['shop', pathsIn('shop')[0]],
    ]) {
      send(path, 'ADDED', { name: 'web', namespace, uid: namespace, resourceVersion: '5' });
    }
    endLists(7);
    await watch.whenSynced();
    asked.clear();
    const relisted = watch.relist();
    await until(() => asked.size === 2 * kinds.length);
    const kept = { name: 'web', namespace: 'shop', uid: 'shop', resourceVersion: '5' };
    send(pathsIn('shop')[0], 'ADDED', kept);
    endLists(9);
    await relisted;
    const left = watch.stores.deployments.list().map(({ metadata }) => metadata.namespace);
    expect(left).to.deep.equal(['shop']);
  });

  it('take the word of a bookmark for its own namespace', async () => {
    await start('mesh', 'shop');
    const { services } = watch.stores;
    const own = (namespace: string, name: string): boolean => {
      const metadata = { namespace, name, uid: name, resourceVersion: '50' };
      services.applyOwnWrite({ metadata, spec: {} });
      return services.get(`${namespace}/${name}`) !== undefined;
    };
    endLists(7);
    await watch.whenSynced();
    expect(own('mesh', 'before')).to.equal(true);
    send(pathsIn('mesh')[3], 'BOOKMARK', { resourceVersion: '100' });
    let tries = 0;
    await until(() => !own('mesh', `after-${tries++}`));
    expect(own('shop', 'after')).to.equal(true);
  });

  it('hold up no request, however many they are', async () => {
    await start(...Array.from({ length: 12 }, (_, i) => `n${i}`));
    await client.request({ method: 'GET', path: '/api/v1/namespaces/n1/services/web' });
  });
});
