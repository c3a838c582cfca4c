// What becomes of an action annotation that was not answered yet. The rollback itself is a check of
// its own (takeAway.ts); here are the answers that need no write but the status.
import type { LastAction } from '../api/schema.ts';
import type { Situation } from './situation.ts';
import { incidentOf, rejectedAttempt } from './situation.ts';
import { rfc3339 } from './text.ts';

/** The action that waits for an answer; null when there is none or its id was answered before. */
export function openAction(s: Situation): {
  readonly verb: 'rollback' | 'retry';
  readonly id: string;
  readonly revision: string | null;
} | null {
  const { action, object } = s.obs;
  if (action.kind !== 'action') return null;
  const known = object.status?.lastActions?.some(({ id }) => id === action.action.id) ?? false;
  return known ? null : action.action;
}

/** The retry that was acknowledged and is not done yet. */
export function acceptedRetry(s: Situation): LastAction | null {
  const isOpen = (action: LastAction): boolean =>
    action.action === 'retry' && action.result === 'Accepted';
  return s.obs.object.status?.lastActions?.find(isOpen) ?? null;
}

/** True when a rollback is ordered for the canary that is on its way. */
export function rollbackIsOrdered(s: Situation): boolean {
  const action = openAction(s);
  if (action?.verb !== 'rollback' || !s.canaryActive || s.canary === null) return false;
  return action.revision === null || action.revision === s.canary.revision;
}

/**
 * The answer to an open action that this pass can give without touching traffic; null without one.
 */
export function answerAction(s: Situation): LastAction | null {
  const action = openAction(s);
  if (action === null || rollbackIsOrdered(s)) return null;
  return action.verb === 'rollback' ? answerRollback(s, action) : answerRetry(s, action);
}

type OpenAction = NonNullable<ReturnType<typeof openAction>>;

function answer(
  s: Situation,
  action: OpenAction,
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

function answerRollback(s: Situation, action: OpenAction): LastAction {
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
      ? `no canary is on its way: revision ${stable} is stable already`
      : `revision ${action.revision} is not the canary; stable is ${stable}`,
  );
}

function answerRetry(s: Situation, action: OpenAction): LastAction {
  const { revision: desired } = s.obs.desired;
  const revision = action.revision ?? desired;
  if (revision !== desired) {
    const message = `the template names revision ${desired}, not ${revision}`;
    return answer(s, action, revision, 'Refused', message);
  }
  const view = s.obs.revisions.find((candidate) => candidate.revision === revision);
  if (rejectedAttempt(s.obs, revision) < (view?.record.attempt ?? 1)) {
    return answer(s, action, revision, 'Refused', `revision ${revision} is not rejected`);
  }
  return answer(s, action, revision, 'Accepted');
}
