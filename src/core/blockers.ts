// The checks that only stop an advance because something outside the evidence is not as it must be:
// the spec, the API server's answer, the services, the routes. None of them moves traffic.
import type { Reason } from '../api/reasons.ts';
import type { Check, Finding } from './decision.ts';
import type { Problem, ServiceView } from './model.ts';
import type { Situation } from './situation.ts';

/** The phase that a stopped object shows: a canary on its way stays Progressing. */
function stopped(s: Situation, reason: Reason, message: string): Finding {
  const phase = s.canaryActive || s.stable === null ? 'Progressing' : 'Stable';
  return { phase, reason, message, commands: [], stalled: true };
}

/** Nothing is touched before the object can be cleaned up after. */
export const finalizerIsMissing: Check = (s) => {
  if (s.obs.hasFinalizer) return null;
  return {
    phase: 'Progressing',
    reason: 'RolloutStarted',
    message: 'The finalizer is set before anything else.',
    commands: [{ kind: 'addFinalizer' }],
  };
};

/** The spec can't be carried out as written; a canary in traffic is still judged. */
export const specIsInvalid: Check = (s) => {
  const { policy, policyProblem } = s.obs;
  const problem =
    policy.kind === 'invalid'
      ? { reason: 'InvalidSpec' as const, message: policy.messages.join('; ') }
      : (policyProblem ?? limitOutOfSight(s));
  if (problem === null) return null;
  return { phase: 'Invalid', ...problem, commands: [], stalled: true };
};

/** A limit that the canary's histogram can't show: no evidence will ever come by waiting. */
function limitOutOfSight({ policy, signals }: Situation): Problem | null {
  // Its steps go on by their holds, whatever the evidence.
  if (policy.observeOnly) return null;
  for (const { signal, absence } of signals) {
    if (!signal.needed || absence?.reason !== 'LimitAboveTopBucket') continue;
    const message = `spec.signals[${signal.name}]: ${absence.message}`;
    return { reason: absence.reason, message };
  }
  return null;
}

/** The API server refuses the ReplicaSet of the desired revision for good. */
export const replicaSetIsRefused: Check = (s) => {
  const problem = s.obs.replicaSetProblem;
  if (problem === null || s.canaryActive) return null;
  return { phase: 'Invalid', ...problem, commands: [], stalled: true };
};

/** A ReplicaSet of the desired name was made from another template. */
export const revisionNameIsTaken: Check = (s) => {
  const { desired, revisions } = s.obs;
  const other = revisions.find(
    ({ revision, hash }) => revision === desired.revision && hash !== desired.hash,
  );
  if (other === undefined) return null;
  return {
    phase: 'Invalid',
    reason: 'ReplicaSetConflict',
    message:
      `ReplicaSet ${other.name} has the name of the new revision and another template hash. ` +
      `Delete it when it is not needed, or change the template.`,
    commands: [],
    stalled: true,
  };
};

/** A service of the needed name belongs to somebody else; it is never taken over. */
export const serviceIsClaimed: Check = (s) => {
  const isClaimed = (service: ServiceView | null): service is ServiceView =>
    service !== null && !service.owned;
  const claimed = [s.obs.stableService, s.obs.canaryService].find(isClaimed);
  if (claimed === undefined) return null;
  const owner = claimed.ownerName ?? 'nobody that the operator knows';
  return stopped(
    s,
    'ServiceClaimed',
    `Service ${claimed.name} belongs to ${owner}. Delete it, or make this object anew with ` +
      `another spec.traffic.service.`,
  );
};

/** The user's Service is read for its ports, so it must be there before ours are made. */
export const userServiceIsMissing: Check = (s) => {
  if (!s.routed || s.obs.userService !== 'missing') return null;
  const { service } = s.obs.object.spec.traffic;
  return stopped(
    s,
    'ServiceMissing',
    `Service ${service} (spec.traffic.service) does not exist; its ports are needed. Create it.`,
  );
};

/** A route of the spec is not there: traffic can't be split, and is left as it is. */
export const routeIsMissing: Check = (s) => {
  const routes = s.obs.object.spec.traffic.gatewayAPI?.routes ?? [];
  const missing = routes.filter((_, i) => s.obs.routes[i] === null);
  if (missing.length === 0) return null;
  const names = missing.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  return stopped(
    s,
    'RouteMissing',
    `${names} (spec.traffic.gatewayAPI.routes) not found. Create it, or correct its name.`,
  );
};

/** A route carries the rollout of another object. */
export const routeIsClaimed: Check = (s) => {
  const routes = s.obs.object.spec.traffic.gatewayAPI?.routes ?? [];
  for (const [i, owner] of s.obs.routeOwners.entries()) {
    if (owner === null) continue;
    return stopped(
      s,
      'RouteClaimed',
      `${routes[i]?.kind} ${routes[i]?.name} carries the rollout of ${owner}. ` +
        `Give each X0ttaDeployment a route of its own.`,
    );
  }
  return null;
};

/** No rule of a route names both services. */
export const backendsAreMissing: Check = (s) => {
  const route = s.routes.find(({ pairs }) => pairs.length === 0);
  if (route === undefined) return null;
  const { service } = s.obs.object.spec.traffic;
  const { userService } = s.obs;
  const known = userService === null || userService === 'missing' ? null : userService.port;
  const port = known ?? '<port>';
  return stopped(
    s,
    'BackendsMissing',
    `No rule of ${route.kind} ${route.name} names both services. Put into a rule: backendRefs: ` +
      `[{name: ${service}-stable, port: ${port}, weight: 100}, ` +
      `{name: ${service}-canary, port: ${port}, weight: 0}]`,
  );
};
