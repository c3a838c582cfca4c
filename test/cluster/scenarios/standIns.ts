// What a cluster without a node lacks, as scenarios need it: pods that get ready and a gateway that
// accepts routes. Neither runs or routes anything.
import type { Cluster } from '../cluster.ts';
import { startPodSetter } from '../pods.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';

export interface StandIns {
  readonly routes: RouteAcceptor;
  stop(): Promise<void>;
}

/** Starts both for all namespaces of a cluster. */
export async function startStandIns(cluster: Cluster): Promise<StandIns> {
  const pods = await startPodSetter(cluster);
  const routes = acceptRoutes(cluster);
  return {
    routes,
    stop: async () => {
      await routes.stop();
      await pods.stop();
    },
  };
}
