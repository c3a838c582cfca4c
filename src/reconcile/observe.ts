// Observes one object: gathers from the caches, and asks the API server only for services that no
// watch covers. Everything it finds is data; nothing is decided here.
import { parseAction } from '../api/actions.ts';
import { resolvePolicy } from '../api/defaults.ts';
import type { Policy, PolicyResult } from '../api/defaults.ts';
import { FINALIZER } from '../api/names.ts';
import type { X0ttaDeployment } from '../api/schema.ts';
import type { Observation, ServiceView } from '../core/model.ts';
import type { ClusterCache, ClusterWrites, Service } from '../kube/port.ts';
import type { Clock } from '../runtime/clock.ts';
import type { EvidencePort } from '../sources/port.ts';
import type { TrafficProvider, TrafficTarget } from '../traffic/port.ts';
import { serviceName } from './manifests.ts';
import type { ObjectMemory } from './memory.ts';
import { emptyQuery, refusedQuery } from './queryProblems.ts';
import * as views from './views.ts';

export interface ObservePorts {
  readonly cache: ClusterCache;
  readonly writes: Pick<ClusterWrites, 'readService'>;
  readonly traffic: TrafficProvider;
  readonly evidence: EvidencePort;
  readonly clock: Clock;
}

export function trafficTarget({ metadata, spec }: X0ttaDeployment): TrafficTarget {
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    service: spec.traffic.service,
    routes: spec.traffic.gatewayAPI?.routes ?? [],
  };
}

function keyOf({ namespace, name }: X0ttaDeployment['metadata']): string {
  return `${namespace}/${name}`;
}

/**
 * Tells which queries of users the objects have, before any of them is judged: a row that names
 * nobody is nobody's as soon as two have its query.
 */
export function declareQueries(
  objects: readonly Pick<X0ttaDeployment, 'metadata' | 'spec'>[],
  evidence: Pick<EvidencePort, 'checkQueries'>,
): void {
  for (const { metadata, spec } of objects) {
    const policy = resolvePolicy(spec);
    if (policy.kind === 'invalid') continue;
    evidence.checkQueries(keyOf(metadata), spec.prometheus?.server ?? null, policy.policy.signals);
  }
}

/** One look at an object. */
export async function observe(
  object: X0ttaDeployment,
  memory: ObjectMemory,
  ports: ObservePorts,
): Promise<Observation> {
  const { cache, traffic, evidence, clock } = ports;
  const { metadata, spec } = object;
  const server = spec.prometheus?.server ?? null;
  const key = keyOf(metadata);
  const nowMs = clock.nowMs();
  const policy = resolvePolicy(spec);
  const replicaSets = cache
    .replicaSetsOf(metadata.uid)
    .filter((replicaSet) => views.isOwnedBy(replicaSet, metadata.uid));
  const pods = new Map(replicaSets.map((each) => [each, cache.podsOf(each.metadata.uid)]));
  memory.notePods([...pods.values()].flat(), nowMs);
  const services = await readServices(object, memory, ports);
  const target = trafficTarget(object);
  const routes = traffic.read(target);
  const signals = policy.kind === 'ok' ? policy.policy.signals : [];
  const reports = evidence.checkQueries(key, server, signals);
  return {
    nowMs,
    metricsNowMs: evidence.nowMs(server),
    object,
    finalizing: metadata.deletionTimestamp !== undefined,
    hasFinalizer: metadata.finalizers?.includes(FINALIZER) ?? false,
    policy,
    standing: standingPolicy(policy, object, memory),
    stepsAreKnown: policy.kind === 'ok' || memory.lastSpec !== null,
    policyProblem: evidence.problemOf(server, signals) ?? refusedQuery(reports, object),
    emptyQuery: emptyQuery(reports, object),
    desired: memory.desiredOf(object),
    revisions: [...pods].map(([replicaSet, own]) =>
      views.revisionView(replicaSet, own, (uid) => memory.imageFailingSince(uid)),
    ),
    ...services,
    stableEndpoints: endpoints(object, 'stable', cache),
    canaryEndpoints: endpoints(object, 'canary', cache),
    routes,
    routeOwners: routes.map((route) => {
      const uid = route?.mark?.uid ?? metadata.uid;
      const other = uid === metadata.uid ? undefined : cache.deploymentOfUid(uid)?.metadata;
      return other === undefined ? null : `${other.namespace}/${other.name}`;
    }),
    action: parseAction(metadata.annotations),
    evidence: evidence.read(key),
    raiseNotBeforeMs: memory.raiseNotBeforeMs,
    handBackNotBeforeMs: memory.handBackNotBeforeMs,
    unwritten: memory.unwritten?.incidents ?? [],
    replicaSetProblem: memory.problemOf(memory.desiredOf(object).revision, nowMs),
  };
}

function endpoints(object: X0ttaDeployment, role: 'stable' | 'canary', cache: ClusterCache) {
  const slices = cache.slicesOf(object.metadata.namespace, serviceName(object, role));
  return views.endpointsView(slices);
}

/** An invalid edit leaves the last valid policy in force; without one the runbook's defaults. */
function standingPolicy(
  policy: PolicyResult,
  { spec }: X0ttaDeployment,
  memory: ObjectMemory,
): Policy {
  if (policy.kind === 'ok') {
    memory.lastSpec = spec;
    return policy.policy;
  }
  const canary = { steps: [], drainDelay: '30s', mode: spec.canary.mode };
  const valid = resolvePolicy(memory.lastSpec ?? { ...spec, canary, signals: [] });
  if (valid.kind === 'invalid') throw new Error(valid.messages.join('; '));
  return valid.policy;
}

/** Our services come from the watch; what it does not show may be somebody else's, so ask. */
async function readServices(
  object: X0ttaDeployment,
  memory: ObjectMemory,
  { cache, writes }: Pick<ObservePorts, 'cache' | 'writes'>,
): Promise<Pick<Observation, 'stableService' | 'canaryService' | 'userService'>> {
  const { namespace } = object.metadata;
  // Without a router no service is the operator's, and the user's is not read.
  if (object.spec.traffic.gatewayAPI === undefined) {
    return { stableService: null, canaryService: null, userService: null };
  }
  const cached = {
    stable: cache.service(namespace, serviceName(object, 'stable')),
    canary: cache.service(namespace, serviceName(object, 'canary')),
  };
  const view = (service: Service): ServiceView => views.serviceView(service, object);
  const isDeleted = object.metadata.deletionTimestamp !== undefined;
  const complete = cached.stable !== undefined && cached.canary !== undefined;
  const known = memory.userService !== null && memory.userService !== 'missing';
  if (isDeleted || (complete && known)) {
    return {
      stableService: cached.stable === undefined ? null : view(cached.stable),
      canaryService: cached.canary === undefined ? null : view(cached.canary),
      userService: userServiceView(object, memory),
    };
  }
  // A look that fails is no look: nothing that takes traffic away waits for it.
  const read = async (name: string): Promise<Service | 'missing' | null> => {
    const result = await writes.readService(namespace, name);
    if (result.kind === 'done') return result.object;
    return result.kind === 'missing' ? 'missing' : null;
  };
  const [user, stable, canary] = await Promise.all([
    read(object.spec.traffic.service),
    cached.stable ?? read(serviceName(object, 'stable')),
    cached.canary ?? read(serviceName(object, 'canary')),
  ]);
  memory.userService = user;
  const viewOrNull = (service: Service | 'missing' | null): ServiceView | null =>
    service === null || service === 'missing' ? null : view(service);
  return {
    stableService: viewOrNull(stable),
    canaryService: viewOrNull(canary),
    userService: userServiceView(object, memory),
  };
}

function userServiceView(
  object: X0ttaDeployment,
  { userService }: ObjectMemory,
): Observation['userService'] {
  if (userService === null || userService === 'missing') return userService;
  return views.userServiceView(userService, object);
}
