// The checks that take traffic away from a revision, in the order they are asked. Each judges only
// its own evidence; each answers with the same plan: weights first, then the verdict, then the
// rest.
import type { Incident, LastAction } from '../api/schema.ts';
import { openAction, rollbackIsOrdered } from './actions.ts';
import type { Check, Finding } from './decision.ts';
import { incidentOfOrder, incidentWithoutRecord } from './incident.ts';
import { completeStable, leastWeight, lower, mostWeight, takeWeight } from './lowering.ts';
import type { Command, RevisionView, RolloutMark, RouteView } from './model.ts';
import { rollBackPods, stableCarries, takePodsBack } from './podShares.ts';
import { duringRollout, otherWriterOf, turnService, writeAnyway } from './rollout.ts';
import type { Rollout } from './rollout.ts';
import type { Situation } from './situation.ts';
import {
  carriedBy,
  incidentId,
  incidentOf,
  isRejected,
  knownIncident,
  markOf,
  rejectedAttempt,
  sameMark,
  stepBegins,
} from './situation.ts';
import { rfc3339 } from './text.ts';
import { absenceHeld, limitHeld, podsFailed } from './verdicts.ts';

/** Stable gets its routes back before the object goes; missing routes count as done. */
export const objectIsDeleted: Check = (s) => {
  if (!s.obs.finalizing) return null;
  const orphans = s.obs.object.spec.deletionPolicy === 'Orphan' ? leaveBehind(s) : [];
  // The release makes an entry of ours anew, and the routes may outlive the object.
  const handBack: readonly Command[] = s.routed ? [{ kind: 'handBackRoutes' }] : [];
  return {
    phase: 'Progressing',
    reason: 'Deleting',
    message: 'The routes go to stable, then the object goes.',
    commands: s.obs.hasFinalizer
      ? [{ kind: 'releaseRoutes' }, ...orphans, ...handBack, { kind: 'removeFinalizer' }]
      : [],
  };
};

/**
 * Both services on stable, complete, and nobody's any more: it goes on serving. So does a canary
 * that has the pods which stable lacks, where no router can take its traffic.
 */
function leaveBehind(s: Situation): readonly Command[] {
  const { stable } = s;
  const running = s.obs.revisions.find(({ revision }) => revision === s.inCanaryRole);
  const needed = !s.routed && running !== undefined && !stableCarries(s, running) ? [running] : [];
  const { stableService, canaryService } = s.obs;
  if (stable === null) return [];
  const services = [stableService, canaryService].filter((service) => service?.owned === true);
  return [
    ...completeStable(s),
    ...(s.inCanaryRole === null ? [] : canaryServiceToStable(s)),
    {
      kind: 'orphan',
      replicaSets: [stable, ...needed].map(({ name, uid }) => ({ name, uid })),
      services: services
        .flatMap((service) => service ?? [])
        .map(({ name, uid }) => ({ name, uid })),
    },
  ];
}

/** A person ordered the rollback of the canary that is on its way. */
export const rollbackWasOrdered: Check = (s) => {
  const action = openAction(s);
  if (action === null || s.canary === null || !rollbackIsOrdered(s)) return null;
  const answered: LastAction = {
    id: action.id,
    action: 'rollback',
    revision: s.canary.revision,
    result: 'Done',
    at: rfc3339(s.obs.nowMs),
  };
  const incident = incidentOfOrder(s.canary, action.id, s.obs.nowMs);
  return { ...rollBack(s, s.canary.revision, incident), answered };
};

/**
 * What stands on a ReplicaSet when an attempt begins; `last` is the number of the attempt before.
 */
export function beginAttempt(s: Situation, last: number): Partial<RevisionView['record']> {
  return {
    role: 'canary',
    attempt: last + 1,
    attemptBegunMs: s.obs.nowMs,
    attemptStartMs: null,
    ...stepBegins(s.policy, 1),
    stepWeight: null,
    rejected: false,
    incident: null,
    drainingSinceMs: null,
    downSinceMs: null,
    stableFloor: s.stable?.replicas ?? 0,
    approvedStep: 0,
  };
}

/**
 * A verdict stands against the revision in traffic or the desired one, or only a route knows of it
 * yet, whose mark the next rollout writes over: it is carried to its end.
 */
export const revisionIsRejected: Check = (s) => {
  const marked = s.routes
    .filter((route) => carriedBy(route) > 0 || isUnwritten(s, route))
    .map(({ mark }) => mark?.revision);
  const candidates = [s.inCanaryRole, ...marked, s.obs.desired.revision];
  const revision = candidates.find(
    (name) =>
      name !== null && name !== undefined && name !== s.stable?.revision && isRejected(s.obs, name),
  );
  if (revision === undefined || revision === null) return null;
  const id = incidentId(revision, rejectedAttempt(s.obs, revision));
  const incident = incidentOf(s.obs, revision) ?? incidentWithoutRecord(id, revision, s.obs.nowMs);
  return rollBack(s, revision, incident);
};

/** The operator died between a verdict's patch of the route and the write to the ReplicaSet. */
function isUnwritten({ obs }: Situation, { mark }: RouteView): boolean {
  const view = obs.revisions.find(({ revision }) => revision === mark?.revision);
  return view !== undefined && !view.record.rejected && isRejected(obs, view.revision);
}

/** A verdict that Observe only writes down takes nothing away. */
function enforced(verdict: (s: Situation) => Incident | null): Check {
  return (s) => {
    if (s.policy.observeOnly || s.canary === null) return null;
    const incident = verdict(s);
    return incident === null ? null : rollBack(s, s.canary.revision, incident);
  };
}

export const podsHaveFailed = enforced(podsFailed);
export const rollbackLimitHeld = enforced(limitHeld);
export const absenceHeldAgainstPolicy = enforced(absenceHeld);

/** A newer template replaced the revision in traffic: it loses its traffic, but is not rejected. */
export const canaryIsSuperseded: Check = (s) => {
  const name = s.inCanaryRole;
  if (name === null || name === s.obs.desired.revision) return null;
  if (s.routed && s.stable === null && s.carried === 0) return null;
  const old = s.obs.revisions.find(({ revision }) => revision === name);
  const kept = s.routed ? leastWeight(s) : 0;
  const waits = kept === 0 ? '' : ` It keeps ${kept} % until stable has the pods to carry them.`;
  const finding = {
    phase: 'Progressing',
    reason: 'Superseded',
    message: `Revision ${s.obs.desired.revision} replaces ${name} before it was done.${waits}`,
  } as const;
  if (!s.routed) {
    const taken = takePodsBack(s, old ?? null, { role: null });
    return { ...finding, commands: taken };
  }
  if (s.carried > 0) {
    const mark = old === undefined ? { ...anyMark(s), revision: name } : markOf(s.obs, old);
    const taken = takeWeight(s, mark);
    return { ...finding, commands: kept === 0 ? [...taken, { kind: 'readBack' }] : taken };
  }
  return { ...finding, commands: [{ kind: 'readBack' }, ...canaryServiceToStable(s)] };
};

function anyMark(s: Situation): RolloutMark {
  const mark = s.routes.find((route) => route.mark !== null)?.mark;
  return mark ?? { uid: s.obs.object.metadata.uid, revision: '', attempt: 1 };
}

/** The canary has weight but no available pod: no verdict, but no traffic either. */
export const canaryHasNoPods: Check = (s) => {
  if (!s.routed) return null;
  const { revision } = s.obs.desired;
  const isGone = (s.canary?.deleting ?? true) && s.inCanaryRole === revision;
  const isEmpty = s.canaryActive && s.canary?.available === 0;
  if (s.carried === 0 || (!isGone && !isEmpty)) return null;
  const commands = takeWeight(s, s.canary === null ? anyMark(s) : markOf(s.obs, s.canary));
  if (commands.length === 0) return null;
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message: `No pod of revision ${revision} is available; its weight is 0 until one is.`,
    commands,
  };
};

/** A route with weight does not carry this rollout's mark: it was made anew, or stripped. */
export const routeLostItsMark: Check = (s) => {
  if (!s.canaryActive || s.canary === null) return null;
  const mark = markOf(s.obs, s.canary);
  const lost = s.routes.some((route) => carriedBy(route) > 0 && !sameMark(route.mark, mark));
  if (!lost) return null;
  const commands = takeWeight(s, mark);
  if (commands.length === 0) return null;
  return {
    phase: 'Progressing',
    reason: 'WeightsOverwritten',
    message:
      'A route with canary weight lost the mark of this rollout; its weight goes to 0 first.',
    commands,
  };
};

/** A route gives the canary more than it may have now, whatever it waits for. */
export const weightIsTooHigh: Check = duringRollout((s, rollout) => {
  const most = Math.max(mostWeight(s, rollout), leastWeight(s));
  if (s.routes.every((route) => carriedBy(route) <= most)) return null;
  const { canary } = rollout;
  const commands = [lower(most, markOf(s.obs, canary), 'none', null), ...completeStable(s)];
  return { phase: 'Progressing', ...whyTooHigh(s, rollout, most), commands };
});

function whyTooHigh(
  s: Situation,
  { canary, step }: Rollout,
  most: number,
): Pick<Finding, 'reason' | 'message'> {
  const { stepWeight, decidedWeight } = canary.record;
  const given = Math.max(stepWeight ?? 0, decidedWeight ?? step.weight);
  if (s.carried > given) {
    const by = otherWriterOf(s.routes);
    const message = `A route gave the canary more than its ${most} %${by}; it is lowered.`;
    return { reason: 'WeightsOverwritten', message };
  }
  if (step.weight < given) {
    const message = `The steps were edited to less; the canary's weight falls to ${most} %.`;
    return { reason: 'StepStarted', message };
  }
  const message = `The canary's weight falls to ${most} % until its step has its pods.`;
  return { reason: 'WaitingForPods', message };
}

function canaryServiceToStable(s: Situation): Command[] {
  if (s.stable === null || s.obs.canaryService?.owned !== true) return [];
  return [turnService(s, 'canary', s.stable.revision)];
}

/**
 * The plan of every rollback, from its first pass to its last: the routes' patch with the verdict
 * before anything else, the verdict on the ReplicaSet, stable scaled up, the routes read back; once
 * they were, -canary back to stable. The drain and the scale-down are housekeeping.
 */
function rollBack(s: Situation, revision: string, incident: Incident): Finding {
  const view = s.obs.revisions.find((candidate) => candidate.revision === revision) ?? null;
  const message = `${incident.alert}: ${incident.summary}`;
  const known = knownIncident(s.obs, incident.id);
  if (!s.routed)
    return { ...rollBackPods(s, view, incident), message, incident: known ?? incident };
  const attempt = view?.record.attempt ?? rejectedAttempt(s.obs, revision);
  const mark: RolloutMark = { uid: s.obs.object.metadata.uid, revision, attempt };
  const target = leastWeight(s);
  const commands: Command[] = [];
  const inTraffic = s.inCanaryRole === revision || s.carried > 0;
  const unmarked = s.routes.some(
    (route) =>
      carriedBy(route) > target || route.verdict !== 'rejected' || !sameMark(route.mark, mark),
  );
  const first = view !== null && !view.record.rejected;
  if (s.routes.length > 0 && unmarked && (inTraffic || first)) {
    commands.push(lower(target, mark, 'rejected', incident));
  }
  if (view !== null && first) {
    commands.push(writeAnyway(view, { rejected: true, incident, role: null }));
  }
  commands.push(...completeStable(s));
  const confirmed = known?.resolvedAt !== undefined;
  const isBack = confirmed && target === 0 && s.carried === 0;
  if (!isBack || s.inCanaryRole !== null) commands.push({ kind: 'readBack' });
  // What follows a readBack in a pass is done only where that showed the canary at 0. Another
  // canary may have the role, where the template came back to this revision.
  if (s.carried === 0 && s.inCanaryRole !== null) commands.push(...canaryServiceToStable(s));
  const phase = isBack ? 'RolledBack' : 'RollingBack';
  const record = known ?? incident;
  return { phase, reason: phase, message, commands, stalled: isBack, incident: record };
}
