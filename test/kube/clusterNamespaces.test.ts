// The caches of an operator that looks after some namespaces only, against a scripted HTTP server:
// it asks for nothing outside of them, and knows which of them is not there yet.
import { expect } from 'chai';
import type { ClusterWatch } from '../../src/kube/cluster.ts';
import { until } from './until.ts';
import { always, pathOf, watchedCluster } from './watchedCluster.ts';
import type { Kind, WatchedCluster } from './watchedCluster.ts';

const kinds: readonly Kind[] = [...always, 'httproutes'];
const pathsIn = (namespace: string): string[] => kinds.map((kind) => pathOf(kind, namespace));
const objectsIn = (namespace: string): string => pathOf('x0ttadeployments', namespace);

describe('the caches of some namespaces', () => {
  let cluster: WatchedCluster;
  let changed: WatchedCluster['changed'];
  let asked: WatchedCluster['asked'];
  let send: WatchedCluster['send'];
  let endList: WatchedCluster['endList'];
  let watch: ClusterWatch;

  beforeEach(async () => {
    cluster = await watchedCluster();
    ({ changed, asked, send, endList } = cluster);
  });

  afterEach(() => cluster.stop(watch));

  async function start(...namespaces: readonly string[]): Promise<void> {
    watch = cluster.watching(['HTTPRoute'], namespaces);
    watch.start();
    await until(() => asked.size === namespaces.length * kinds.length);
  }

  function endLists(version: number): void {
    for (const path of asked.keys()) endList(path, version);
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
    expect(watch.current(), 'of a resource in all of them').to.include({ pods: false });
    for (const path of pathsIn('shop')) endList(path, 7);
    await watch.whenSynced();
    expect(watch.unsynced()).to.deep.equal([]);
  });

  it('hold the objects of all of them, however far apart their lists are', async () => {
    await start('mesh', 'shop');
    const object = { name: 'web', resourceVersion: '5' };
    send(objectsIn('shop'), 'ADDED', { ...object, namespace: 'shop', uid: 'of-shop' });
    endList(objectsIn('shop'), 9);
    await until(() => changed.length === 1);
    send(objectsIn('mesh'), 'ADDED', { ...object, namespace: 'mesh', uid: 'of-mesh' });
    endList(objectsIn('mesh'), 6);
    await until(() => changed.length === 2);
    expect(changed).to.deep.equal(['shop/web', 'mesh/web']);
    expect(watch.cache.deploymentOfUid('of-shop')?.metadata.namespace).to.equal('shop');
    expect(watch.cache.deployment('mesh/web')?.metadata.uid).to.equal('of-mesh');
  });

  it('are listed anew each for itself', async () => {
    await start('mesh', 'shop');
    for (const namespace of ['mesh', 'shop']) {
      const metadata = { name: 'web', namespace, uid: namespace, resourceVersion: '5' };
      send(objectsIn(namespace), 'ADDED', metadata);
    }
    endLists(7);
    await watch.whenSynced();
    asked.clear();
    const relisted = watch.relist();
    await until(() => asked.size === 2 * kinds.length);
    const kept = { name: 'web', namespace: 'shop', uid: 'shop', resourceVersion: '5' };
    send(objectsIn('shop'), 'ADDED', kept);
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
    send(pathOf('services', 'mesh'), 'BOOKMARK', { resourceVersion: '100' });
    let tries = 0;
    await until(() => !own('mesh', `after-${tries++}`));
    expect(own('shop', 'after')).to.equal(true);
  });

  it('hold up no request, however many they are', async () => {
    await start(...Array.from({ length: 12 }, (_, i) => `n${i}`));
    await cluster.client.request({ method: 'GET', path: '/api/v1/namespaces/n1/services/web' });
  });
});
