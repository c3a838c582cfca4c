// The conditions of an object: what kstatus, Argo CD and people read. Made anew from each decision;
// the time of the last change of each is kept.
import type { Reason } from '../api/reasons.ts';
import type { Condition, Phase, Status } from '../api/schema.ts';
import type { Decision } from './decision.ts';
import type { Observation, Outcome } from './model.ts';
import type { Situation } from './situation.ts';
import { cut, firstSentence, rfc3339 } from './text.ts';

interface Statement {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: Reason;
  readonly message: string;
}

/** Reasons whose message has numbers that differ each time: those are no cause for a write. */
const countingReasons: ReadonlySet<string> = new Set<Reason>([
  'TooFewRequests',
  'EvidenceMissing',
  'RouteWriteFailed',
]);

/** The conditions after a pass, in a fixed order; those that do not apply are left out. */
export function conditionsOf(
  s: Situation,
  decision: Decision,
  outcomes: readonly Outcome[],
  phase: Phase,
): readonly Condition[] {
  const generation = s.obs.object.metadata.generation;
  const before = s.obs.object.status;
  return statements(s, decision, outcomes, phase).map((statement) => {
    const known = before?.conditions?.find(({ type }) => type === statement.type);
    const sameStatus = known?.status === statement.status;
    const keepsMessage =
      sameStatus &&
      known.reason === statement.reason &&
      known.observedGeneration === generation &&
      before?.step?.current === s.step?.number &&
      countingReasons.has(statement.reason) &&
      withoutNumbers(known.message) === withoutNumbers(cut(statement.message));
    return {
      ...statement,
      message: keepsMessage ? known.message : cut(statement.message),
      lastTransitionTime: sameStatus ? known.lastTransitionTime : rfc3339(s.obs.nowMs),
      observedGeneration: generation,
    };
  });
}

function withoutNumbers(text: string): string {
  return text.replaceAll(/[0-9]+/g, '0');
}

function statements(
  s: Situation,
  decision: Decision,
  outcomes: readonly Outcome[],
  phase: Phase,
): Statement[] {
  const { reason, message } = decision;
  const stalled = decision.stalled === true;
  const ready = phase === 'Stable' && reason === 'Stable';
  const list: Statement[] = [{ type: 'Ready', status: ready ? 'True' : 'False', reason, message }];
  // Absent means false, as kstatus expects of these two.
  if (stalled) list.push({ type: 'Stalled', status: 'True', reason, message });
  else if (!ready) list.push({ type: 'Reconciling', status: 'True', reason, message });
  list.push(available(s));
  const evidence = evidenceAvailable(s);
  if (evidence !== null) list.push(evidence);
  list.push(trafficRouted(s, outcomes), rolledBack(phase, decision));
  return list;
}

function available(s: Situation): Statement {
  const type = 'Available';
  if (s.stable === null) {
    const message = 'No stable revision exists yet.';
    return { type, status: 'False', reason: 'FirstRollout', message };
  }
  const needed = s.policy.replicas;
  const { available: count, revision } = s.stable;
  return {
    type,
    status: count > 0 || needed === 0 ? 'True' : 'False',
    reason: count >= needed ? 'Available' : 'MinimumReplicasUnavailable',
    message: `${count} of ${needed} pods of the stable revision ${revision} are available.`,
  };
}

function evidenceAvailable(s: Situation): Statement | null {
  const type = 'EvidenceAvailable';
  if (!s.canaryActive) {
    const message = s.obs.emptyQuery;
    return message === null ? null : { type, status: 'False', reason: 'QueryEmpty', message };
  }
  if ((s.canary?.record.attemptStartMs ?? null) === null) return null;
  const absent = s.signals.filter(({ signal, absence }) => signal.needed && absence !== null);
  if (absent.length === 0) {
    const message = 'Every needed signal has usable evidence.';
    return { type, status: 'True', reason: 'EvidenceAvailable', message };
  }
  const message = absent
    .map(({ signal, absence }) => `${signal.name}: ${absence?.reason}: ${absence?.message}`)
    .join(' ');
  return { type, status: 'False', reason: 'EvidenceMissing', message };
}

/** Why the weights of a pass could not be written, for people; null where they could. */
export function routeWriteFailure(outcomes: readonly Outcome[]): string | null {
  for (const outcome of outcomes) {
    const { kind } = outcome.command;
    if (outcome.kind !== 'failed' || (kind !== 'setWeights' && kind !== 'releaseRoutes')) continue;
    return `${outcome.reason}: ${firstSentence(outcome.error.message)}`;
  }
  return null;
}

function trafficRouted(s: Situation, outcomes: readonly Outcome[]): Statement {
  const type = 'TrafficRouted';
  const { obs } = s;
  if (!s.routed) {
    const message = 'No router is named: the shares are pod counts behind the Service.';
    return { type, status: 'True', reason: 'WeightsConfirmed', message };
  }
  const failure = routeWriteFailure(outcomes);
  if (failure !== null) {
    return { type, status: 'False', reason: 'RouteWriteFailed', message: failure };
  }
  if (obs.routes.some((route) => route === null)) {
    const message = 'A route of spec.traffic.gatewayAPI.routes does not exist.';
    return { type, status: 'False', reason: 'RouteMissing', message };
  }
  const bare = s.routes.find(({ pairs }) => pairs.length === 0);
  if (bare !== undefined) {
    const message = `No rule of ${bare.kind} ${bare.name} names both services.`;
    return { type, status: 'False', reason: 'BackendsMissing', message };
  }
  // With all the traffic on stable, as it is whenever nothing is to wait for, a router that has not
  // spoken of its newest weights yet is no news.
  const pending = s.routes.find((route) => !route.accepted && (s.carried > 0 || !route.lags));
  if (pending !== undefined) {
    const message = `${pending.kind} ${pending.name}: ${pending.notAccepted}`;
    return { type, status: 'False', reason: 'WaitingForRouter', message };
  }
  if (bypassesRouter(obs)) {
    const { service } = obs.object.spec.traffic;
    const message =
      `The weights are as wanted. Whoever calls Service ${service} itself, past the ` +
      `router, reaches the pods of every revision by their number.`;
    return { type, status: 'True', reason: 'ServiceBypassesRouter', message };
  }
  const message =
    s.carried === 0 ? 'All traffic is on stable.' : 'The router has accepted the weights.';
  return { type, status: 'True', reason: 'WeightsConfirmed', message };
}

function bypassesRouter(obs: Observation): boolean {
  const { userService } = obs;
  return userService !== null && userService !== 'missing' && userService.reachesPods;
}

function rolledBack(phase: Phase, decision: Decision): Statement {
  const type = 'RolledBack';
  if (phase === 'RolledBack' && decision.incident !== undefined) {
    const { alert, summary } = decision.incident;
    return { type, status: 'True', reason: 'RolledBack', message: `${alert}: ${summary}` };
  }
  if (phase === 'RollingBack') {
    const message = 'The verdict is taken; the routes are not read back yet.';
    return { type, status: 'False', reason: 'RollingBack', message };
  }
  const message = 'No verdict stands against the current template.';
  return { type, status: 'False', reason: 'NotRolledBack', message };
}

/** True when two statuses say the same, whatever the order of their keys. */
export function sameStatus(a: Status | undefined, b: Status): boolean {
  return a !== undefined && sameValue(a, b);
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const present = (value: object): [string, unknown][] =>
    Object.entries(value).filter(([, member]) => member !== undefined);
  const [left, right] = [present(a), new Map(present(b))];
  return (
    left.length === right.size &&
    left.every(([key, member]) => right.has(key) && sameValue(member, right.get(key)))
  );
}
