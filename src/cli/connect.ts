// The first look at the API server: waits until it answers, learns its version and what it serves,
// and looks again for what it does not serve yet. It writes nothing.
import type { RouteKind } from '../api/schema.ts';
import { servedRouteKinds } from '../kube/cluster.ts';
import { createCrdCheck } from '../kube/crdCheck.ts';
import { KubeError } from '../kube/errors.ts';
import { routeResources } from '../kube/resources.ts';
import { isTooOld, leastVersion, readServerVersion } from '../kube/serverVersion.ts';
import { waitForServer } from '../kube/serverWait.ts';
import type { ServerWaitOptions } from '../kube/serverWait.ts';
import type { KubeClient } from '../kube/transport.ts';
import { lookAgain } from '../runtime/lookAgain.ts';

export interface ConnectOptions extends ServerWaitOptions {
  readonly client: Pick<KubeClient, 'request'>;
  /** Told of the kinds of routes that are served, at first and whenever there are more. */
  readonly watchRoutes: (kinds: readonly RouteKind[]) => void;
}

export interface Connecting {
  /** What is waited for or missing, each in words. */
  problems(): readonly string[];
  /** How much of what is written the served CRD lacks. */
  crdMissingCount(): number;
  /** True once there is all without which nothing can begin; false when told to end before. */
  readonly done: Promise<boolean>;
}

const allKinds = Object.keys(routeResources).length;

export function connect(options: ConnectOptions): Connecting {
  const { client, log, serverUrl, signal } = options;
  const crd = createCrdCheck(options);
  // Until discovery has answered, no route kind counts as missing.
  const wait = waitForServer(
    () => Promise.all([readServerVersion(client), servedRouteKinds(client)]),
    options,
  );
  const finish = async (): Promise<boolean> => {
    const answer = await wait.answer;
    if (answer === null) return false;
    const [version, routes] = answer;
    await crd.start();
    const kubernetes = version.text;
    log('info', 'connected', { server: serverUrl, kubernetes, crd: crd.state().kind, routes });
    if (isTooOld(version)) {
      const least = leastVersion.join('.');
      log('warn', `Kubernetes ${kubernetes} is older than ${least}, the least that is tested`);
    }
    followRoutes(routes, options);
    await crd.whenInstalled();
    return !signal.aborted;
  };
  return {
    problems: () => [wait.pending(), crd.problem()].filter((problem) => problem !== null),
    crdMissingCount: () => crd.missingCount(),
    done: finish(),
  };
}

function followRoutes(first: readonly RouteKind[], options: ConnectOptions): void {
  const { client, log, watchRoutes } = options;
  let served = first;
  watchRoutes(served);
  if (served.length === allKinds) return;
  log('warn', 'not every kind of route is served; the others are watched once they are', {
    served: [...served],
  });
  const look = async (): Promise<boolean> => {
    try {
      const now = await servedRouteKinds(client);
      if (now.length > served.length) log('info', 'more kinds of routes are served', { now });
      served = now;
    } catch (error) {
      // An API server that is away is told of by the watches.
      if (!(error instanceof KubeError)) throw error;
    }
    watchRoutes(served);
    return served.length === allKinds;
  };
  void lookAgain(look, options);
}
