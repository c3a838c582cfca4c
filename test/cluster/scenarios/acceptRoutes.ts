// Stands in for a gateway where a cluster has none: writes into each route's status that it was
// accepted. It sends no traffic.
import { setTimeout } from 'node:timers/promises';
import type { Cluster } from '../cluster.ts';

interface Route {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly generation: number;
  };
  readonly spec: { readonly parentRefs?: readonly object[] };
}

export interface RouteAcceptor {
  /** From now on routes keep the status they have; true goes on. */
  accepts(accepts: boolean): void;
  stop(): Promise<void>;
}

const group = '/apis/gateway.networking.k8s.io/v1';
const plurals = ['httproutes', 'grpcroutes'] as const;
type Plural = (typeof plurals)[number];

/** Accepts every HTTPRoute and GRPCRoute of the cluster, each generation anew. */
export function acceptRoutes(cluster: Cluster): RouteAcceptor {
  const abort = new AbortController();
  let accepting = true;
  const waiting = new Map<string, () => Promise<void>>();
  const accept = async (plural: Plural, route: Route): Promise<void> => {
    const { name, namespace, generation } = route.metadata;
    const condition = (type: string): object => ({
      type,
      status: 'True',
      reason: type,
      message: '',
      observedGeneration: generation,
      lastTransitionTime: new Date().toISOString(),
    });
    const parents = (route.spec.parentRefs ?? []).map((parentRef) => ({
      parentRef,
      controllerName: 'test.x0tta.io/acceptor',
      conditions: [condition('Accepted'), condition('ResolvedRefs')],
    }));
    const path = `${group}/namespaces/${namespace}/${plural}/${name}/status`;
    // A route that went meanwhile needs no status.
    await cluster.client.patch(path, { status: { parents } }).catch(() => undefined);
  };
  const follow = async (plural: Plural): Promise<void> => {
    const accepted = new Map<string, number>();
    while (!abort.signal.aborted) {
      try {
        for await (const { type, object } of cluster.client.watch<Route>(
          `${group}/${plural}`,
          abort.signal,
        )) {
          const key = `${plural} ${object.metadata.namespace}/${object.metadata.name}`;
          if (type === 'DELETED') accepted.delete(key);
          const isNew = accepted.get(key) !== object.metadata.generation;
          if ((type !== 'ADDED' && type !== 'MODIFIED') || !isNew) continue;
          accepted.set(key, object.metadata.generation);
          if (accepting) await accept(plural, object);
          else waiting.set(key, () => accept(plural, object));
        }
      } catch {
        // The API server ends watches, and refuses new ones while a definition is young.
        if (!abort.signal.aborted) await setTimeout(200);
      }
    }
  };
  const running = Promise.all(plurals.map(follow));
  return {
    accepts: (accepts) => {
      accepting = accepts;
      if (!accepts) return;
      for (const acceptNow of waiting.values()) void acceptNow();
      waiting.clear();
    },
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}
