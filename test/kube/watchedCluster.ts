// The caches of everything that is watched, against a scripted HTTP server that begins every watch
// and leaves it to the test what comes in it.
import { expect } from 'chai';
import type { RouteKind } from '../../src/api/schema.ts';
import { createClusterWatch, type ClusterWatch } from '../../src/kube/cluster.ts';
import { SharedStrings } from '../../src/kube/sharedStrings.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { beginWatch, FakeServer, reply, sendEvent, transportTo } from './fakeServer.ts';
import type { Received } from './fakeServer.ts';

const groups = {
  x0ttadeployments: 'apis/x0tta.io/v1alpha1',
  replicasets: 'apis/apps/v1',
  pods: 'api/v1',
  services: 'api/v1',
  endpointslices: 'apis/discovery.k8s.io/v1',
  httproutes: 'apis/gateway.networking.k8s.io/v1',
  grpcroutes: 'apis/gateway.networking.k8s.io/v1',
};
export type Kind = keyof typeof groups;

/** Those that are watched whatever kinds of routes the server has. */
export const always: readonly Kind[] = [
  'x0ttadeployments',
  'replicasets',
  'pods',
  'services',
  'endpointslices',
];

/** Where a kind is asked for; null: in the whole cluster. */
export function pathOf(kind: Kind, namespace: string | null = null): string {
  return `/${groups[kind]}/${namespace === null ? '' : `namespaces/${namespace}/`}${kind}`;
}

export type WatchedCluster = Awaited<ReturnType<typeof watchedCluster>>;

export async function watchedCluster() {
  const server = new FakeServer();
  await server.start();
  const clock = new FakeClock();
  const client = transportTo(server, clock);
  const changed: string[] = [];
  const logged: string[] = [];
  /** The newest request for each path that is watched. */
  const asked = new Map<string, Received>();
  server.answer = (received) => {
    if (received.query['watch'] !== 'true') return reply(received, 200, {});
    asked.set(received.path, received);
    beginWatch(received);
  };
  const send = (path: string, type: string, metadata: object): void => {
    const received = asked.get(path);
    if (received === undefined) throw new Error(`nobody asked for ${path}`);
    sendEvent(received, type, { metadata, spec: { traffic: { service: 'shop' } } });
  };
  return {
    server,
    client,
    changed,
    logged,
    asked,
    send,

    watching: (
      routeKinds: readonly RouteKind[],
      namespaces: readonly string[] | null = null,
    ): ClusterWatch => {
      const watch = createClusterWatch({
        client,
        clock,
        random: () => 0.5,
        log: (_, message) => void logged.push(message),
        onChange: (key) => void changed.push(key),
        strings: new SharedStrings(),
        namespaces,
      });
      watch.watchRoutes(routeKinds);
      return watch;
    },

    endList: (path: string, version: number): void => {
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      send(path, 'BOOKMARK', { resourceVersion: String(version), annotations });
    },

    stop: async (watch: ClusterWatch): Promise<void> => {
      await watch.stop();
      await client.close();
      await server.stop();
      expect(clock.pendingTimers, 'timers left behind').to.equal(0);
    },
  };
}
