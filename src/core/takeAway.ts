// The checks that take traffic away from a revision, in the order they are asked. Each judges only
// its own evidence; each answers with the same plan: weights first, then the verdict, then the
// rest.
import type { Incident, LastAction } from '../api/schema.ts';
import { rollbackIsOrdered, openAction, acceptedRetry } from './actions.ts';
import type { Check, Finding } from './decision.ts';
import {
  incidentOfAbsence,
  incidentOfBreach,
  incidentOfOrder,
  incidentOfPods,
  incidentWithoutRecord,
} from './incident.ts';
import type { Command, RevisionView, RolloutMark } from './model.ts';
import { judgePods } from './podHealth.ts';
import { stableShare } from './share.ts';
import type { Situation } from './situation.ts';
import {
  carriedBy,
  incidentId,
  incidentOf,
  markOf,
  podsForStable,
  podsForWeight,
  rejectedAttempt,
  sameMark,
} from './situation.ts';
import { rfc3339 } from './text.ts';

/** Stable gets its routes back before the object goes; missing routes count as done. */
export const objectIsDeleted: Check = (s) => {
  if (!s.obs.finalizing) return null;
  return {
    phase: 'Progressing',
    reason: 'Deleting',
    message: 'The routes go to stable, then the object goes.',
    commands: s.obs.hasFinalizer ? [{ kind: 'releaseRoutes' }, { kind: 'removeFinalizer' }] : [],
  };
};

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

/** A retry was acknowledged: a new attempt begins once the old one carries nothing. */
export const retryWasAccepted: Check = (s) => {
  const retry = acceptedRetry(s);
  if (retry === null || s.carried > 0 || s.inCanaryRole !== null) return null;
  const { revision, hash } = s.obs.desired;
  if (retry.revision !== revision) {
    const message = `a newer template replaced revision ${retry.revision ?? ''}`;
    return progressing(`The retry ${retry.id} is void: ${message}.`, [], {
      ...retry,
      result: 'Refused',
      message,
    });
  }
  const answered: LastAction = { ...retry, result: 'Done' };
  const message = `Revision ${revision} is tried again (action ${retry.id}).`;
  if (s.canary?.record.retriedBy === retry.id) return progressing(message, [], answered);
  const record = {
    ...beginAttempt(s, Math.max(s.canary?.record.attempt ?? 0, rejectedAttempt(s.obs, revision))),
    retriedBy: retry.id,
  };
  const command: Command =
    s.canary === null
      ? { kind: 'createReplicaSet', revision, hash, replicas: 0, record }
      : {
          kind: 'writeRevision',
          name: s.canary.name,
          uid: s.canary.uid,
          resourceVersion: s.canary.resourceVersion,
          record,
        };
  return progressing(message, [command], answered);
};

function progressing(message: string, commands: readonly Command[], answered: LastAction): Finding {
  return { phase: 'Progressing', reason: 'RolloutStarted', message, commands, answered };
}

/**
 * What stands on a ReplicaSet when an attempt begins; `last` is the number of the attempt before.
 */
export function beginAttempt(s: Situation, last: number): Partial<RevisionView['record']> {
  return {
    role: 'canary',
    attempt: last + 1,
    attemptBegunMs: s.obs.nowMs,
    attemptStartMs: null,
    step: 1,
    stepDecidedMs: s.obs.nowMs,
    stepStartMs: null,
    rejected: false,
    incident: null,
    drainingSinceMs: null,
    stableFloor: s.stable?.replicas ?? 0,
  };
}

/**
 * A verdict stands against the revision in traffic or the desired one: it is carried to its end.
 */
export const revisionIsRejected: Check = (s) => {
  const marked = s.routes.find((route) => carriedBy(route) > 0)?.mark?.revision;
  const candidates = [s.inCanaryRole, marked, s.obs.desired.revision];
  const revision = candidates.find(
    (name) => name !== null && name !== undefined && isRejected(s, name),
  );
  if (revision === undefined || revision === null) return null;
  const id = incidentId(revision, rejectedAttempt(s.obs, revision));
  const incident = incidentOf(s.obs, revision) ?? incidentWithoutRecord(id, revision, s.obs.nowMs);
  return rollBack(s, revision, incident);
};

function isRejected(s: Situation, revision: string): boolean {
  if (revision === s.stable?.revision) return false;
  const view = s.obs.revisions.find((candidate) => candidate.revision === revision);
  return rejectedAttempt(s.obs, revision) >= (view?.record.attempt ?? 1);
}

/** The canary's own pods failed. */
export const podsHaveFailed: Check = (s) => {
  if (!s.canaryActive || s.canary === null || s.step === null) return null;
  const needed = podsForWeight(s.policy.replicas, s.step.weight);
  const deadline = s.policy.progressDeadlineSeconds;
  const verdict = judgePods(s.canary, needed, deadline, s.obs.nowMs);
  if (verdict.state !== 'failed') return null;
  const incident = incidentOfPods(s.canary, verdict.failure, s.obs.nowMs);
  return rollBack(s, s.canary.revision, incident);
};

/** A rollback limit was exceeded for its whole hold, whatever the other signals say. */
export const rollbackLimitHeld: Check = (s) => {
  if (!s.canaryActive || s.canary === null) return null;
  for (const judgement of s.signals) {
    if (judgement.breach.state !== 'held') continue;
    const incident = incidentOfBreach(s.canary, judgement, judgement.breach, s.obs.nowMs);
    return rollBack(s, s.canary.revision, incident);
  }
  return null;
};

/** A signal had no evidence for its hold, and the object asks for a rollback then. */
export const absenceHeldAgainstPolicy: Check = (s) => {
  if (!s.canaryActive || s.canary === null) return null;
  const { stepStartMs } = s.canary.record;
  if (stepStartMs === null) return null;
  for (const judgement of s.signals) {
    const { signal, absentSinceMs } = judgement;
    if (signal.noData !== 'Rollback' || judgement.absence === null || absentSinceMs === null)
      continue;
    const sinceMs = Math.max(absentSinceMs, stepStartMs);
    if (s.obs.metricsNowMs < sinceMs + signal.forSeconds * 1000) continue;
    const incident = incidentOfAbsence(s.canary, judgement, sinceMs, s.obs.nowMs);
    return rollBack(s, s.canary.revision, incident);
  }
  return null;
};

/** A newer template replaced the revision in traffic: it loses its traffic, but is not rejected. */
export const canaryIsSuperseded: Check = (s) => {
  const name = s.inCanaryRole;
  if (name === null || name === s.obs.desired.revision) return null;
  const old = s.obs.revisions.find(({ revision }) => revision === name);
  const finding = {
    phase: 'Progressing',
    reason: 'Superseded',
    message: `Revision ${s.obs.desired.revision} replaces ${name} before it was done.`,
  } as const;
  if (s.carried > 0) {
    const mark = old === undefined ? { ...anyMark(s), revision: name } : markOf(s.obs, old);
    return { ...finding, commands: [lower(0, mark, 'none', null), { kind: 'readBack' }] };
  }
  return { ...finding, commands: [{ kind: 'readBack' }, ...canaryServiceToStable(s)] };
};

function anyMark(s: Situation): RolloutMark {
  const mark = s.routes.find((route) => route.mark !== null)?.mark;
  return mark ?? { uid: s.obs.object.metadata.uid, revision: '', attempt: 1 };
}

/** The canary has weight but no available pod: no verdict, but no traffic either. */
export const canaryHasNoPods: Check = (s) => {
  const { revision } = s.obs.desired;
  const isGone = s.canary === null && s.inCanaryRole === revision;
  const isEmpty = s.canaryActive && s.canary?.available === 0;
  if (s.carried === 0 || (!isGone && !isEmpty)) return null;
  const mark = s.canary === null ? anyMark(s) : markOf(s.obs, s.canary);
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message: `No pod of revision ${revision} is available; its weight is 0 until one is.`,
    commands: [lower(0, mark, 'none', null)],
  };
};

/** A route with weight does not carry this rollout's mark: it was made anew, or stripped. */
export const routeLostItsMark: Check = (s) => {
  if (!s.canaryActive || s.canary === null) return null;
  const mark = markOf(s.obs, s.canary);
  const lost = s.routes.some((route) => carriedBy(route) > 0 && !sameMark(route.mark, mark));
  if (!lost) return null;
  return {
    phase: 'Progressing',
    reason: 'WeightsOverwritten',
    message:
      'A route with canary weight lost the mark of this rollout; its weight goes to 0 first.',
    commands: [lower(0, mark, 'none', null)],
  };
};

/** Takes traffic away: it pins the names of the routes' backends, not their versions. */
export function lower(
  canaryWeight: number,
  mark: RolloutMark,
  verdict: 'none' | 'rejected',
  incident: Incident | null,
): Command {
  return { kind: 'setWeights', guard: 'lower', canaryWeight, mark, verdict, incident };
}

function canaryServiceToStable(s: Situation): Command[] {
  if (s.stable === null || s.obs.canaryService === null) return [];
  return [
    {
      kind: 'applyService',
      role: 'canary',
      revision: s.stable.revision,
      resourceVersion: s.obs.canaryService.resourceVersion,
    },
  ];
}

/**
 * The plan of every rollback, from its first pass to its last: the routes' patch with the verdict
 * before anything else, the verdict on the ReplicaSet, stable scaled up, the routes read back; once
 * they were, -canary back to stable. The drain and the scale-down are housekeeping.
 */
function rollBack(s: Situation, revision: string, incident: Incident): Finding {
  const view = s.obs.revisions.find((candidate) => candidate.revision === revision) ?? null;
  const attempt = view?.record.attempt ?? rejectedAttempt(s.obs, revision);
  const mark: RolloutMark = { uid: s.obs.object.metadata.uid, revision, attempt };
  const share = stableShare({
    available: s.stable?.available ?? 0,
    needed: s.policy.replicas,
    current: 100 - s.carried,
    canaryAvailable: view?.available ?? 0,
  });
  const target = 100 - share;
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
    const { name, uid } = view;
    const record = { rejected: true, incident, role: null };
    commands.push({ kind: 'writeRevision', name, uid, resourceVersion: null, record });
  }
  const stableNeeds = podsForStable(s);
  if (s.stable !== null && s.stable.replicas < stableNeeds) {
    const { name, uid } = s.stable;
    const replicas = stableNeeds;
    commands.push({
      kind: 'writeRevision',
      name,
      uid,
      resourceVersion: null,
      record: {},
      replicas,
    });
  }
  const known = s.obs.object.status?.incidents?.find(({ id }) => id === incident.id);
  const confirmed = known?.resolvedAt !== undefined;
  if (!confirmed) commands.push({ kind: 'readBack' });
  if (confirmed && s.carried === 0 && s.inCanaryRole === revision) {
    commands.push(...canaryServiceToStable(s));
  }
  return {
    phase: confirmed && target === 0 ? 'RolledBack' : 'RollingBack',
    reason: confirmed && target === 0 ? 'RolledBack' : 'RollingBack',
    message: `${incident.alert}: ${incident.summary}`,
    commands,
    stalled: confirmed && target === 0,
    incident: known ?? incident,
  };
}
