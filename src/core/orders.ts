// Carries out what people ordered and the status acknowledged: retry, promote, approve, resume, and
// pause, which acts first. Rollbacks are in takeAway.ts and bringBack.ts.
import type { LastAction } from '../api/schema.ts';
import { acceptedAction, openAction } from './actions.ts';
import type { Check, Finding } from './decision.ts';
import type { Command, RevisionRecord, RevisionView } from './model.ts';
import { write, writeAnyway } from './rollout.ts';
import type { Situation } from './situation.ts';
import { rejectedAttempt, stepBegins } from './situation.ts';
import { beginAttempt } from './takeAway.ts';
import { rfc3339 } from './text.ts';

/** A retry was acknowledged: a new attempt begins once the old one has no traffic and no pods. */
export const retryWasAccepted: Check = (s) => {
  const retry = acceptedAction(s, ['retry']);
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
  const view = s.stable?.revision === revision ? s.stable : s.canary;
  if (view?.record.retriedBy === retry.id) return progressing(message, [], answered);
  const last = Math.max(view?.record.attempt ?? 0, rejectedAttempt(s.obs, revision));
  if (view !== null && view === s.stable) {
    // It serves still, as the revision before it could not come back: only the verdict goes.
    const lifted = { attempt: last + 1, rejected: false, incident: null, retriedBy: retry.id };
    return progressing(message, [write(view, lifted)], answered);
  }
  // Pods of the attempt before would bring their restarts and their crash loops along.
  if (view !== null && (view.replicas > 0 || view.current > 0 || hasWaitingPods(view))) return null;
  const record = { ...beginAttempt(s, last), retriedBy: retry.id };
  const command: Command =
    s.canary === null
      ? { kind: 'createReplicaSet', revision, hash, replicas: 0, record }
      : write(s.canary, record);
  return progressing(message, [command], answered);
};

/** Pods are seen apart from their count. Those that failed for good are none that wait. */
function hasWaitingPods({ pods }: RevisionView): boolean {
  return pods.some(
    ({ terminating, containers }) =>
      !terminating && containers.some(({ waitingReason }) => waitingReason !== null),
  );
}

function progressing(message: string, commands: readonly Command[], answered: LastAction): Finding {
  return { phase: 'Progressing', reason: 'ActionAccepted', message, commands, answered };
}

/** The write of a pause that is ordered and does not stand yet. */
export function orderedPause(s: Situation): { readonly id: string; readonly command: Command }[] {
  const action = openAction(s);
  if (action?.verb !== 'pause' || s.stable === null || s.pausedBy !== null) return [];
  const { id } = action;
  return [{ id, command: writeAnyway(s.stable, { pausedBy: id }) }];
}

/** A pause stands before it is answered. */
export const pauseWasOrdered: Check = (s) => {
  const [pause] = orderedPause(s);
  if (pause === undefined) return null;
  const { id, command } = pause;
  const at = rfc3339(s.obs.nowMs);
  return progressing(`Paused by action ${id}.`, [command], {
    id,
    action: 'pause',
    result: 'Done',
    at,
  });
};

/** A promote, approve or resume that was acknowledged, for the canary that it named. */
export const actionWasAccepted: Check = (s) => {
  const action = acceptedAction(s, ['promote', 'approve', 'resume']);
  if (action === null) return null;
  const done: LastAction = { ...action, result: 'Done' };
  const message = `Action ${action.action}/${action.id} is carried out.`;
  if (action.action === 'resume') return progressing(message, resume(s), done);
  const { canary, step } = s;
  if (!s.canaryActive || canary === null || step === null || canary.revision !== action.revision) {
    const why = `revision ${action.revision ?? ''} is not on its way any more`;
    return progressing(why, [], { ...action, result: 'Refused', message: why });
  }
  const { stepStartMs, stepWeight } = canary.record;
  // Without any traffic there never is evidence: the first weight comes first.
  const hadNoWeight = stepStartMs === null && stepWeight === null;
  if (action.action === 'promote' && hadNoWeight) return null;
  const record = action.action === 'promote' ? lastStep(s, canary) : approval(canary, step.number);
  return progressing(message, record === null ? [] : [write(canary, record)], done);
};

function lastStep(s: Situation, { record }: RevisionView): Partial<RevisionRecord> | null {
  const step = s.policy.steps.length + 1;
  if (record.step >= step) return null;
  return stepBegins(s.policy, step);
}

function approval({ record }: RevisionView, step: number): Partial<RevisionRecord> | null {
  return record.approvedStep >= step ? null : { approvedStep: step };
}

/** The time of the pause does not count against the deadline of a step that waits for pods. */
function resume(s: Situation): readonly Command[] {
  const missingSinceMs = s.canary?.record.podsMissingSinceMs ?? null;
  const waits = s.canaryActive && missingSinceMs !== null ? s.canary : null;
  const paused = s.obs.revisions.filter(({ record }) => record.pausedBy !== null);
  return [
    ...(waits === null ? [] : [write(waits, { podsMissingSinceMs: s.obs.nowMs })]),
    ...paused.map((view) => writeAnyway(view, { pausedBy: null })),
  ];
}

/** Paused: no new attempt begins, and no step that has not begun gets its weight. */
export const rolloutIsPaused: Check = (s) => {
  const runs = s.canaryActive && s.canary !== null && s.canary.record.stepStartMs !== null;
  return runs ? null : pausedFinding(s);
};

/** Paused: the step goes on, with its weight and its judgement, and does not end. */
export const stepIsPaused: Check = (s) => pausedFinding(s);

function pausedFinding({ pausedBy }: Situation): Finding | null {
  if (pausedBy === null) return null;
  return {
    phase: 'Paused',
    reason: 'Paused',
    message: `Paused by action ${pausedBy}; x0tta.io/action: resume/<id> goes on.`,
    commands: [],
  };
}
