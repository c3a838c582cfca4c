// An observation read: which revision is stable, which is the canary, who carries traffic, what is
// rejected. Derived facts only; nothing here decides.
import type { Policy, PolicyStep } from '../api/defaults.ts';
import type { Incident } from '../api/schema.ts';
import { judgeSignals } from './judgement.ts';
import type { SignalJudgement } from './judgement.ts';
import type { Observation, RevisionRecord, RevisionView, RolloutMark } from './model.ts';
import type { RouteView, ServiceView, TimeMs } from './model.ts';

export interface RunningStep extends PolicyStep {
  readonly number: number;
  /** The bake, at 100 %. */
  readonly final: boolean;
}

export interface Situation {
  readonly obs: Observation;
  readonly policy: Policy;
  /** Whether a router gives the shares; else they are pod counts. */
  readonly routed: boolean;
  readonly stable: RevisionView | null;
  /** The ReplicaSet of the desired revision, unless that is stable. */
  readonly canary: RevisionView | null;
  /** The canary's attempt has begun and was not ended by a verdict or a newer template. */
  readonly canaryActive: boolean;
  /**
   * The revision that gets the canary's share, unless it is stable: the one that -canary selects,
   * its name even without a ReplicaSet; without a router one that has pods.
   */
  readonly inCanaryRole: string | null;
  /** The highest percentage of the traffic that it gets by any route, 0 to 100. */
  readonly carried: number;
  readonly routes: readonly RouteView[];
  readonly step: RunningStep | null;
  /** The id of the action that paused the object; null while it is not paused. */
  readonly pausedBy: string | null;
  readonly signals: readonly SignalJudgement[];
}

export function readSituation(obs: Observation, policy: Policy): Situation {
  const routed = obs.object.spec.traffic.gatewayAPI !== undefined;
  const stable = findStable(obs);
  const wanted = obs.revisions.find(({ revision }) => revision === obs.desired.revision) ?? null;
  const canary = wanted !== null && wanted !== stable ? wanted : null;
  const canaryActive =
    canary !== null &&
    !canary.deleting &&
    canary.record.role === 'canary' &&
    rejectedAttempt(obs, canary.revision) < canary.record.attempt;
  const step = canaryActive && canary !== null ? runningStep(policy, canary.record.step) : null;
  const routes = obs.routes.filter((route) => route !== null);
  const inCanaryRole = routed ? selectedBesides(obs, stable) : runningBesides(obs, stable);
  return {
    obs,
    policy,
    routed,
    stable,
    canary,
    canaryActive,
    inCanaryRole,
    carried: routed
      ? Math.max(0, ...routes.map(carriedBy))
      : shareByPods(obs, stable, inCanaryRole),
    routes,
    pausedBy: obs.revisions.find(({ record }) => record.pausedBy !== null)?.record.pausedBy ?? null,
    step,
    signals:
      canary === null || step === null
        ? []
        : judgeSignals(policy.signals, obs.evidence, {
            canary,
            needed: podsForStep({ policy, routed }, canary.record.stepWeight ?? step.weight),
            nowMs: obs.nowMs,
          }),
  };
}

/** What -stable selects is stable; without that service, what was written down last. */
function findStable(obs: Observation): RevisionView | null {
  const byRevision = (name: string | null | undefined): RevisionView | undefined =>
    obs.revisions.find(({ revision, deleting }) => revision === name && !deleting);
  // A promotion that was cut short leaves two of them, of which the later one counts.
  const [written] = obs.revisions
    .filter(({ record, deleting }) => record.role === 'stable' && !deleting)
    .toSorted((a, b) => (b.record.promotedMs ?? 0) - (a.record.promotedMs ?? 0));
  const selected = obs.stableService?.owned === true ? obs.stableService.revision : null;
  return byRevision(selected) ?? written ?? byRevision(obs.object.status?.stable?.revision) ?? null;
}

/** What somebody else's service selects is no canary of ours, and not ours to turn. */
function selectedBesides(obs: Observation, stable: RevisionView | null): string | null {
  const selectedBy = (service: ServiceView | null): string | null =>
    service?.owned === true ? service.revision : null;
  const selected = selectedBy(obs.canaryService);
  // Its ReplicaSet may be out of sight.
  const serving = stable?.revision ?? selectedBy(obs.stableService);
  return selected === serving ? null : selected;
}

/** One that the template no longer names comes first: it has to go before the next one begins. */
function runningBesides(obs: Observation, stable: RevisionView | null): string | null {
  const running = obs.revisions.filter(
    (view) => view !== stable && view.record.role === 'canary' && view.replicas > 0,
  );
  const superseded = running.find(({ revision }) => revision !== obs.desired.revision);
  return (superseded ?? running[0])?.revision ?? null;
}

function shareByPods(
  obs: Observation,
  stable: RevisionView | null,
  inCanaryRole: string | null,
): number {
  const own = obs.revisions.find(({ revision }) => revision === inCanaryRole)?.available ?? 0;
  return own === 0 ? 0 : Math.round((100 * own) / (own + (stable?.available ?? 0)));
}

/** The percentage of one route's traffic that -canary gets, the highest of its rules. */
export function carriedBy(route: RouteView): number {
  return Math.max(0, ...sharesOf(route));
}

/** The percentage that each rule of a route gives -canary. */
export function sharesOf({ pairs }: RouteView): readonly number[] {
  return pairs.map(({ stableWeight, canaryWeight }) =>
    canaryWeight === 0 ? 0 : Math.ceil((100 * canaryWeight) / (stableWeight + canaryWeight)),
  );
}

export function runningStep(policy: Policy, number: number): RunningStep {
  const step = policy.steps[number - 1];
  if (step !== undefined && number >= 1) return { ...step, number, final: false };
  return {
    weight: 100,
    holdSeconds: policy.bakeSeconds,
    needsApproval: false,
    number: policy.steps.length + 1,
    final: true,
  };
}

/** What is written down when a step begins, before anything of it is done. */
export function stepBegins(policy: Policy, step: number): Partial<RevisionRecord> {
  const decidedWeight = runningStep(policy, step).weight;
  return { step, decidedWeight, podsMissingSinceMs: null, stepStartMs: null };
}

/** A promotion; what its steps waited for is over. */
export function becomesStable(nowMs: TimeMs): Partial<RevisionRecord> {
  return { role: 'stable', promotedMs: nowMs, podsMissingSinceMs: null };
}

/** Pods that stable keeps: what 100 % needs, and during a rollout no fewer than when it began. */
export function podsForStable(s: Situation): number {
  const floor = s.canaryActive ? (s.canary?.record.stableFloor ?? 0) : 0;
  return Math.max(s.policy.replicas, floor);
}

/**
 * Pods of the canary that a weight needs: before it is given, ceil(replicas x weight / 100) and at
 * least 1; without a router, as its share.
 */
export function podsForStep(
  { policy, routed }: Pick<Situation, 'policy' | 'routed'>,
  weight: number,
): number {
  if (!routed) return podsForShare(policy, weight).canary;
  return Math.max(1, Math.ceil((policy.replicas * weight) / 100));
}

/**
 * Whether pods that were asked for are not available. What the canary was not scaled to yet is
 * nothing that it could be blamed for.
 */
export function lacksPods({ available, replicas }: RevisionView, needed: number): boolean {
  return available < Math.min(needed, replicas);
}

/** A person has to approve the step, and has not. */
export function awaitsApproval({ record }: RevisionView, step: RunningStep): boolean {
  return step.needsApproval && record.approvedStep < step.number;
}

/** Pod counts that stand for a weight where no router does (design.md, "Without a router"). */
export function podsForShare(
  { replicas, maxSurge }: Policy,
  weight: number,
): { readonly canary: number; readonly stable: number } {
  if (weight === 100) return { canary: Math.max(1, replicas), stable: 0 };
  const canary = Math.max(1, Math.round((replicas * weight) / 100));
  // Where one pod would be the whole of it, stable keeps one beside it as far as the surge allows.
  const least = Math.min(1, replicas + maxSurge - canary);
  return { canary, stable: Math.max(least, replicas - canary) };
}

/** Whether a verdict ended the newest attempt at a revision. */
export function isRejected(obs: Observation, revision: string): boolean {
  const view = obs.revisions.find((candidate) => candidate.revision === revision);
  return rejectedAttempt(obs, revision) >= (view?.record.attempt ?? 1);
}

export function markOf(obs: Observation, revision: RevisionView): RolloutMark {
  return {
    uid: obs.object.metadata.uid,
    revision: revision.revision,
    attempt: revision.record.attempt,
  };
}

export function sameMark(a: RolloutMark | null, b: RolloutMark): boolean {
  return a !== null && a.uid === b.uid && a.revision === b.revision && a.attempt === b.attempt;
}

/**
 * The highest attempt of a revision that a verdict ended, by any witness: the routes, its
 * ReplicaSet, the status. 0: none. A retry is a higher attempt; a ReplicaSet that is gone leaves
 * the verdict standing.
 */
export function rejectedAttempt(obs: Observation, revision: string): number {
  const uid = obs.object.metadata.uid;
  let highest = 0;
  for (const route of obs.routes) {
    if (route?.verdict === 'rejected' && route.mark?.uid === uid) {
      if (route.mark.revision === revision) highest = Math.max(highest, route.mark.attempt);
    }
  }
  const view = obs.revisions.find((candidate) => candidate.revision === revision);
  if (view?.record.rejected === true) highest = Math.max(highest, view.record.attempt);
  const entry = obs.object.status?.rejected?.find((rejected) => rejected.revision === revision);
  if (entry !== undefined) highest = Math.max(highest, attemptOfIncident(entry.incident));
  return highest;
}

export function incidentId(revision: string, attempt: number): string {
  return `${revision}-${attempt}`;
}

/** The attempt that an incident's id names; 1 where it names none. */
export function attemptOfIncident(id: string | undefined): number {
  const attempt = Number(id?.slice(id.lastIndexOf('-') + 1));
  return Number.isInteger(attempt) && attempt > 0 ? attempt : 1;
}

/** An incident by its id, as the status has it, or as it would if it could have been written. */
export function knownIncident(obs: Observation, id: string): Incident | undefined {
  const own = ({ id: known }: Incident): boolean => known === id;
  return obs.unwritten.find(own) ?? obs.object.status?.incidents?.find(own);
}

/** Those of the status, after those that it lacks because it could not be written. */
export function incidentsOf({ unwritten, object }: Observation): readonly Incident[] {
  const written = object.status?.incidents ?? [];
  const ids = new Set(written.map(({ id }) => id));
  return [...unwritten.filter(({ id }) => !ids.has(id)), ...written];
}

/** The incident of a revision's verdict, from whichever witness still has it. */
export function incidentOf(obs: Observation, revision: string): Incident | null {
  const id = incidentId(revision, rejectedAttempt(obs, revision));
  const known = knownIncident(obs, id);
  if (known !== undefined) return known;
  const view = obs.revisions.find((candidate) => candidate.revision === revision);
  if (view?.record.incident?.id === id) return view.record.incident;
  return obs.routes.find((route) => route?.incident?.id === id)?.incident ?? null;
}
