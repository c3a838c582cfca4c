// The caches of everything the operator watches, and which object a change concerns. It starts and
// stops the watches; what the changes mean is decided elsewhere.
import { FIELD_MANAGER, KIND, MANAGED_BY_LABEL, OBJECT_LABEL } from '../api/names.ts';
import type { RouteKind, X0ttaDeployment } from '../api/schema.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { isNotFound } from './errors.ts';
import type {
  ClusterCache,
  ContainerStatus,
  EndpointSlice,
  KubeObject,
  Pod,
  ReplicaSet,
  Service,
} from './port.ts';
import { createReflector } from './reflector.ts';
import type { Reflector } from './reflector.ts';
import * as resources from './resources.ts';
import type { GroupVersionResource } from './resources.ts';
import type { SharedStrings } from './sharedStrings.ts';
import { ownerUids, Store } from './store.ts';
import * as trim from './trim.ts';
import type { Indexer } from './store.ts';
import type { KubeClient } from './transport.ts';
import type { HttpRoute } from '../traffic/httpRoute.ts';

export interface ClusterStores {
  readonly deployments: Store<X0ttaDeployment & KubeObject, 'uid' | 'route'>;
  readonly replicaSets: Store<ReplicaSet, 'owner' | 'uid'>;
  readonly pods: Store<Pod, 'owner'>;
  readonly services: Store<Service>;
  readonly slices: Store<EndpointSlice, 'service'>;
  readonly routes: Readonly<Record<RouteKind, Store<HttpRoute>>>;
}

export interface ClusterOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Called with the key of each object that a change concerns; urgent when a pod has failed. */
  readonly onChange: (key: string, urgent: boolean) => void;
  /** The texts of all caches. */
  readonly strings: SharedStrings;
  /** Nothing outside of these is watched; null: all are. */
  readonly namespaces: readonly string[] | null;
}

export interface ClusterWatch {
  readonly stores: ClusterStores;
  readonly cache: ClusterCache;
  /** Begins with everything but routes, and with the kinds of routes that were named before. */
  start(): void;
  /** Watches these kinds of routes too, which the server must serve; again is no matter. */
  watchRoutes(kinds: readonly RouteKind[]): void;
  /** Names of the resources whose list is not there yet, each with its namespace, if any. */
  unsynced(): readonly string[];
  /** Whether the list of each resource is there and its changes come, by its plural name. */
  current(): Readonly<Record<string, boolean>>;
  /** Resolves when every cache that there is by now holds its first list. */
  whenSynced(): Promise<void>;
  /** Lists everything anew; resolves when all of it is there, and is not synced until then. */
  relist(): Promise<void>;
  stop(): Promise<void>;
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** Which kinds of routes the API server has; none where the Gateway API is not installed. */
export async function servedRouteKinds(client: Pick<KubeClient, 'request'>): Promise<RouteKind[]> {
  const { group, version } = resources.httpRoutes;
  interface ResourceList {
    readonly resources?: readonly { readonly kind: string }[];
  }
  try {
    const path = `/apis/${group}/${version}`;
    const list = await client.request<ResourceList>({ method: 'GET', path });
    const served = new Set(list.resources?.map(({ kind }) => kind));
    return (['HTTPRoute', 'GRPCRoute'] as const).filter((kind) => served.has(kind));
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

export function createClusterWatch(options: ClusterOptions): ClusterWatch {
  const stores = createStores(options.log, options.strings);
  subscribeAll(stores, options.onChange);
  const watched: Watched[] = [];
  let started = false;
  const add = (added: readonly Watched[]): void => {
    watched.push(...added);
    if (started) for (const { reflector } of added) reflector.start();
  };
  const scopes: readonly (string | undefined)[] = options.namespaces ?? [undefined];
  add(scopes.flatMap((scope) => watchedIn(scope, stores, options)));
  return {
    stores,
    cache: createCache(stores),
    start: () => {
      started = true;
      for (const { reflector } of watched) reflector.start();
    },
    watchRoutes: (kinds) => {
      for (const kind of kinds) {
        const resource = resources.routeResources[kind];
        if (watched.some(({ plural }) => plural === resource.plural)) continue;
        add(scopes.map((scope) => watchOf(resource, stores.routes[kind], scope, options)));
      }
    },
    unsynced: () => watched.flatMap(({ name, reflector }) => (reflector.synced ? [] : [name])),
    current: () => {
      const current: Record<string, boolean> = {};
      for (const { plural, reflector } of watched) {
        current[plural] = (current[plural] ?? true) && reflector.current;
      }
      return current;
    },
    whenSynced: async () => {
      await Promise.all(watched.map(({ reflector }) => reflector.whenSynced()));
    },
    relist: async () => {
      await Promise.all(watched.map(({ reflector }) => reflector.relist()));
    },
    stop: async () => {
      await Promise.all(watched.map(({ reflector }) => reflector.stop()));
    },
  };
}

/** The watch of one resource, in one namespace or in all. */
interface Watched {
  /** The plural with the namespace, if any. */
  readonly name: string;
  readonly plural: string;
  readonly reflector: Reflector;
}

/** Those of one namespace, or of all where `namespace` is left out, without routes. */
function watchedIn(
  namespace: string | undefined,
  stores: ClusterStores,
  options: ClusterOptions,
): readonly Watched[] {
  const watch = <T extends KubeObject, I extends string>(
    resource: GroupVersionResource,
    store: Store<T, I>,
    labelSelector?: string,
  ): Watched => watchOf(resource, store, namespace, options, labelSelector);
  const own = `${MANAGED_BY_LABEL}=${FIELD_MANAGER}`;
  return [
    watch(resources.x0ttaDeployments, stores.deployments),
    watch(resources.replicaSets, stores.replicaSets, OBJECT_LABEL),
    watch(resources.pods, stores.pods, OBJECT_LABEL),
    watch(resources.services, stores.services, own),
    watch(resources.endpointSlices, stores.slices, own),
  ];
}

function watchOf<T extends KubeObject, I extends string>(
  resource: GroupVersionResource,
  store: Store<T, I>,
  namespace: string | undefined,
  options: ClusterOptions,
  labelSelector?: string,
): Watched {
  const { plural } = resource;
  const what = { resource, namespace, store, labelSelector, streamsLists: true };
  return {
    name: namespace === undefined ? plural : `${plural} in ${namespace}`,
    plural,
    reflector: createReflector<T>({ ...options, ...what }),
  };
}

function createStores(log: Log, strings: SharedStrings): ClusterStores {
  const onListenerError = (error: unknown): void =>
    log('error', 'a listener of a cache failed', { error: String(error) });
  const uid = (object: KubeObject): string[] => [object.metadata.uid];
  const store = <T extends KubeObject, I extends string = never>(
    keep: (object: T) => T,
    indexers: Readonly<Record<I, Indexer<T>>>,
  ): Store<T, I> => new Store<T, I>({ keep, indexers, strings, onListenerError });
  return {
    deployments: store(trim.trimDeployment, { uid, route: routesOf }),
    replicaSets: store(trim.trimReplicaSet, { owner: ownerUids, uid }),
    pods: store(trim.trimPod, { owner: ownerUids }),
    services: store(trim.trimService, {}),
    slices: store(trim.trimSlice, { service: serviceOf }),
    routes: { HTTPRoute: store(trim.trimRoute, {}), GRPCRoute: store(trim.trimRoute, {}) },
  };
}

function routesOf({ metadata, spec }: X0ttaDeployment & KubeObject): string[] {
  const routes = spec.traffic.gatewayAPI?.routes ?? [];
  return routes.map(({ kind, name }) => `${kind} ${metadata.namespace}/${name}`);
}

function serviceOf({ metadata }: EndpointSlice): string[] {
  const name = metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? [] : [`${metadata.namespace ?? ''}/${name}`];
}

function createCache(stores: ClusterStores): ClusterCache {
  return {
    deployment: (key) => stores.deployments.get(key),
    deploymentOfUid: (uid) => stores.deployments.byIndex('uid', uid)[0],
    replicaSetsOf: (uid) => stores.replicaSets.byIndex('owner', uid),
    podsOf: (uid) => stores.pods.byIndex('owner', uid),
    service: (namespace, name) => stores.services.get(`${namespace}/${name}`),
    slicesOf: (namespace, service) => stores.slices.byIndex('service', `${namespace}/${service}`),
  };
}

function subscribeAll(stores: ClusterStores, onChange: ClusterOptions['onChange']): void {
  stores.deployments.subscribe(({ key }) => onChange(key, false));
  stores.replicaSets.subscribe(({ old, current }) => tellOwner(current ?? old, onChange));
  stores.services.subscribe(({ old, current }) => tellOwner(current ?? old, onChange));
  stores.pods.subscribe(({ old, current }) => {
    for (const uid of ownerUids(current ?? old ?? nobody)) {
      tellOwner(stores.replicaSets.byIndex('uid', uid)[0], onChange, hasFailed(current));
    }
  });
  stores.slices.subscribe(({ old, current }) => {
    for (const key of serviceKeys(current ?? old)) tellOwner(stores.services.get(key), onChange);
  });
  for (const [kind, routes] of Object.entries(stores.routes)) {
    routes.subscribe(({ key }) => {
      for (const { metadata } of stores.deployments.byIndex('route', `${kind} ${key}`)) {
        onChange(`${metadata.namespace}/${metadata.name}`, false);
      }
    });
  }
}

const nobody: KubeObject = { metadata: { name: '', uid: '', resourceVersion: '0' } };

function serviceKeys(slice: EndpointSlice | undefined): string[] {
  return slice === undefined ? [] : serviceOf(slice);
}

function hasFailed(pod: Pod | undefined): boolean {
  const { containerStatuses = [], initContainerStatuses = [] } = pod?.status ?? {};
  const loops = ({ restartCount, state }: ContainerStatus): boolean =>
    (restartCount ?? 0) > 0 || state?.waiting?.reason === 'CrashLoopBackOff';
  return (
    // An init container that has ended has most often succeeded.
    containerStatuses.some((one) => loops(one) || one.state?.terminated !== undefined) ||
    initContainerStatuses.some(loops)
  );
}

function tellOwner(
  object: KubeObject | undefined,
  onChange: ClusterOptions['onChange'],
  urgent = false,
): void {
  const owner = object?.metadata.ownerReferences?.find(({ kind }) => kind === KIND);
  if (owner !== undefined) onChange(`${object?.metadata.namespace ?? ''}/${owner.name}`, urgent);
}
