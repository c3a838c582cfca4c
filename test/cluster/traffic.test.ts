// The Gateway API provider on a real API server, by the suite that its fake is held to as well.
import { expect } from 'chai';
import type { RouteKind } from '../../src/api/schema.ts';
import { loadConnection } from '../../src/kube/config.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import { Store } from '../../src/kube/store.ts';
import { createTransport } from '../../src/kube/transport.ts';
import type { KubeTransport } from '../../src/kube/transport.ts';
import { trimRoute } from '../../src/kube/trim.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createGatewayApi } from '../../src/traffic/gatewayApi.ts';
import type { HttpRoute } from '../../src/traffic/httpRoute.ts';
import type { TrafficTarget } from '../../src/traffic/port.ts';
import { describeTrafficProvider } from '../conformance/traffic.ts';
import type { RouteWeights, TrafficWorld } from '../conformance/traffic.ts';
import { backend, splitRule, target } from '../traffic/routes.ts';
import type { Cluster } from './cluster.ts';
import { freshNamespace } from './namespace.ts';
import { sharedCluster } from './shared.ts';

describe('on a real API server', () => {
  let cluster: Cluster;
  let client: KubeTransport;
  let here: TrafficTarget;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    const connection = loadConnection({ kubeconfigPath: cluster.kubeconfig });
    client = createTransport({ connection, clock: systemClock, userAgent: 'x0tta-test' });
  });

  after(() => client.close());

  it('is given back an entry in managedFields that is the only one', async () => {
    here = { ...target, namespace: await freshNamespace(cluster, 'traffic') };
    const world = worldOf(cluster, client, here.namespace, 'HTTPRoute');
    const { provider } = world;
    const metadata = { name: 'web', namespace: here.namespace };
    const spec = { rules: rulesOf({ stable: 100, canary: 0 }) };
    const body = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata, spec };
    const folder = `/apis/gateway.networking.k8s.io/v1/namespaces/${here.namespace}/httproutes`;
    await cluster.client.create(`${folder}?fieldManager=x0tta`, body);
    await world.catchUp();
    const [before] = provider.read(here);
    expect(before?.fieldsOwned).to.equal(true);
    const [outcome] = await provider.handBack(here, provider.read(here));
    expect(outcome?.kind).to.equal('failed');
    await world.catchUp();
    expect(provider.read(here)[0], 'nothing was written').to.deep.equal(before);
  });

  for (const kind of ['HTTPRoute', 'GRPCRoute'] as const) {
    describeTrafficProvider(
      `gatewayApi of ${kind}s`,
      kind,
      () => here,
      async () => {
        here = { ...target, namespace: await freshNamespace(cluster, 'traffic') };
        return worldOf(cluster, client, here.namespace, kind);
      },
    );
  }
});

function worldOf(
  cluster: Cluster,
  client: KubeTransport,
  namespace: string,
  kind: RouteKind,
): TrafficWorld {
  const plural = `${kind.toLowerCase()}s`;
  const folder = `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/${plural}`;
  const store = new Store<HttpRoute>({
    keep: trimRoute,
    strings: new SharedStrings(),
    onListenerError: (error) => {
      throw error;
    },
  });
  const routes = (): Promise<readonly HttpRoute[]> => cluster.client.list<HttpRoute>(folder);
  return {
    provider: createGatewayApi({
      client,
      stores: { HTTPRoute: store, GRPCRoute: store },
      clock: systemClock,
    }),
    async write(name, weights) {
      const spec = { rules: rulesOf(weights) };
      const there = (await routes()).some(({ metadata }) => metadata.name === name);
      const apiVersion = 'gateway.networking.k8s.io/v1';
      const body = { apiVersion, kind, metadata: { name, namespace }, spec };
      if (there) await cluster.client.patch(`${folder}/${name}`, { spec });
      else await cluster.client.create(folder, body);
    },
    remove: (name) => cluster.client.delete(`${folder}/${name}`),
    async weights(name) {
      const { spec } = await cluster.client.get<HttpRoute>(`${folder}/${name}`);
      const refs = spec.rules?.[0]?.backendRefs ?? [];
      const [stable = 0, canary = 0, other] = refs.map(({ weight = 1 }) => weight);
      return other === undefined ? { stable, canary } : { stable, canary, other };
    },
    async catchUp() {
      const seen = await routes();
      const version = seen.map(({ metadata }) => Number(metadata.resourceVersion));
      store.replace(seen, String(Math.max(0, ...version)));
    },
  };
}

function rulesOf(weights: RouteWeights | 'none'): readonly object[] {
  if (weights === 'none') return [{ backendRefs: [backend('web', 1)] }];
  const others = weights.other === undefined ? [] : [backend('legacy', weights.other)];
  return [splitRule(weights.stable, weights.canary, ...others)];
}
