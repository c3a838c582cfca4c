// What becomes of an action annotation that was not answered yet. The rollback itself is a check of
// its own (takeAway.ts); here are the answers that need no write but the status.
import type { Action, ActionVerb } from '../api/actions.ts';
import type { LastAction } from '../api/schema.ts';
import { isCritical } from './judgement.ts';
import type { RevisionView } from './model.ts';
import type { Situation } from './situation.ts';
import { awaitsApproval, incidentOf, isRejected } from './situation.ts';
import { rfc3339 } from './text.ts';

/** The action that may be carried out; null when there is none or its id was answered before. */
export function openAction(s: Situation): Action | null {
  return statusIsLost(s) ? null : unansweredAction(s);
}

function unansweredAction(s: Situation): Action | null {
  const { action, object } = s.obs;
  if (action.kind !== 'action') return null;
  const known = object.status?.lastActions?.some(({ id }) => id === action.action.id) ?? false;
  return known ? null : action.action;
}

/**
 * The answered ids stand in the status alone. Without it nobody knows whether an annotation is new
 * or one that was carried out long ago, for another canary.
 */
function statusIsLost({ obs }: Situation): boolean {
  return obs.object.status?.phase === undefined && obs.revisions.length > 0;
}

/** The oldest action of these verbs that was acknowledged and is not carried out yet. */
export function acceptedAction(s: Situation, verbs: readonly ActionVerb[]): LastAction | null {
  const isOpen = ({ action, result }: LastAction): boolean =>
    verbs.includes(action) && result === 'Accepted';
  return s.obs.object.status?.lastActions?.findLast(isOpen) ?? null;
}

/** True when a rollback is ordered for the canary that is on its way. */
export function rollbackIsOrdered(s: Situation): boolean {
  const action = openAction(s);
  if (action?.verb !== 'rollback' || !s.canaryActive || s.canary === null) return false;
  return action.revision === null || action.revision === s.canary.revision;
}

/** The last revision before stable that was stable itself, is retained and stands unrejected. */
export function previousStable({ obs, stable }: Situation): RevisionView | null {
  const [newest] = obs.revisions
    .filter((view) => view !== stable && !view.deleting && !isRejected(obs, view.revision))
    .filter(({ record }) => record.promotedMs !== null)
    .toSorted((a, b) => (b.record.promotedMs ?? 0) - (a.record.promotedMs ?? 0));
  return newest ?? null;
}

/** True when a rollback is ordered for the revision that is stable, and another can come back. */
export function stableRollbackIsOrdered(s: Situation): boolean {
  const action = openAction(s);
  const { stable, obs } = s;
  if (action?.verb !== 'rollback' || s.canaryActive || stable === null) return false;
  if (stable.revision !== obs.desired.revision || stable.record.rejected) return false;
  const isMeant = action.revision === null || action.revision === stable.revision;
  return isMeant && previousStable(s) !== null;
}

/**
 * The answer to an open action that this pass can give without a write; null without one.
 */
export function answerAction(s: Situation): LastAction | null {
  const action = unansweredAction(s);
  if (action === null || rollbackIsOrdered(s) || stableRollbackIsOrdered(s)) return null;
  if (statusIsLost(s)) return answerWithoutStatus(s, action);
  switch (action.verb) {
    case 'rollback':
      return answerRollback(s, action);
    case 'retry':
      return answerRetry(s, action);
    case 'pause':
      return answerPause(s, action);
    case 'resume':
      return s.pausedBy === null
        ? answer(s, action, null, 'Refused', 'the object is not paused')
        : answer(s, action, null, 'Accepted');
    case 'promote':
    case 'approve':
      return answerAdvance(s, action);
  }
}

function answerWithoutStatus(s: Situation, action: Action): LastAction {
  const { revisions, routes } = s.obs;
  const incidents = [...revisions.map(({ record }) => record), ...routes].map((at) => at?.incident);
  const isKnown =
    incidents.some((incident) => incident?.value === `rollback/${action.id}`) ||
    revisions.some(({ record }) => [record.pausedBy, record.retriedBy].includes(action.id));
  if (isKnown) return answer(s, action, action.revision, 'Done');
  const why = 'the status was lost, so it may have been carried out; set it again with a new id';
  return answer(s, action, action.revision, 'Refused', why);
}

/** Null while the pause can still be written: a pass that takes traffic away comes before it. */
function answerPause(s: Situation, action: Action): LastAction | null {
  // The pause was written, and its answer was not given with it.
  if (s.pausedBy === action.id) return answer(s, action, null, 'Done');
  if (s.pausedBy === null && s.stable !== null) return null;
  const why = s.pausedBy === null ? 'no revision is stable yet' : `paused by ${s.pausedBy} already`;
  return answer(s, action, null, 'Refused', why);
}

/** Both name the canary that is on its way at this moment, and stay with it. */
function answerAdvance(s: Situation, action: Action): LastAction {
  const { canary, step } = s;
  const refuse = (why: string): LastAction => answer(s, action, action.revision, 'Refused', why);
  if (!s.canaryActive || canary === null || step === null) return refuse('no canary is on its way');
  if (action.revision !== null && action.revision !== canary.revision) {
    return refuse(`revision ${action.revision} is not the canary, ${canary.revision} is`);
  }
  if (action.verb === 'approve') {
    if (!awaitsApproval(canary, step)) return refuse('the running step needs no approval');
  } else {
    const breaching = s.signals.find(isCritical);
    if (breaching !== undefined) return refuse(`${breaching.signal.name} is ${breaching.level}`);
    if (s.pausedBy !== null) return refuse('the object is paused; resume it first');
    if (step.final) return refuse('the canary has all the traffic and bakes already');
  }
  return answer(s, action, canary.revision, 'Accepted');
}

function answer(
  s: Situation,
  action: Action,
  revision: string | null,
  result: LastAction['result'],
  message?: string,
): LastAction {
  return {
    id: action.id,
    action: action.verb,
    ...(revision === null ? {} : { revision }),
    result,
    ...(message === undefined ? {} : { message }),
    at: rfc3339(s.obs.nowMs),
  };
}

function answerRollback(s: Situation, action: Action): LastAction {
  const revision = action.revision ?? s.obs.desired.revision;
  // The traffic was moved, and the process died before it could answer.
  if (incidentOf(s.obs, revision)?.value === `rollback/${action.id}`) {
    return answer(s, action, revision, 'Done');
  }
  const stable = s.stable?.revision ?? 'none';
  return answer(
    s,
    action,
    action.revision,
    'Refused',
    action.revision === null || action.revision === stable
      ? `no canary is on its way, and no earlier revision than ${stable} is there to come back`
      : `revision ${action.revision} is not the canary; stable is ${stable}`,
  );
}

function answerRetry(s: Situation, action: Action): LastAction {
  const { revision: desired } = s.obs.desired;
  const revision = action.revision ?? desired;
  if (revision !== desired) {
    const message = `the template names revision ${desired}, not ${revision}`;
    return answer(s, action, revision, 'Refused', message);
  }
  if (!isRejected(s.obs, revision)) {
    return answer(s, action, revision, 'Refused', `revision ${revision} is not rejected`);
  }
  return answer(s, action, revision, 'Accepted');
}
