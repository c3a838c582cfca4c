// The rollback of a revision that is stable already: the last one before it that was stable comes
// back, its pods first, then the traffic. What follows is the end of any rollback (takeAway.ts).
import { openAction, previousStable, stableRollbackIsOrdered } from './actions.ts';
import type { Check, Finding } from './decision.ts';
import { incidentOfOrder, incidentWithoutRecord } from './incident.ts';
import type { Command, RevisionView, TimeMs } from './model.ts';
import { whyNot } from './podHealth.ts';
import { turnService, writeAnyway } from './rollout.ts';
import type { Situation } from './situation.ts';
import { becomesStable, incidentId, incidentOf, isRejected } from './situation.ts';
import { rfc3339 } from './text.ts';

/** A person ordered it: the verdict is written before anything moves. */
export const stableRollbackWasOrdered: Check = (s) => {
  const action = openAction(s);
  const { stable } = s;
  if (action === null || stable === null || !stableRollbackIsOrdered(s)) return null;
  const { id } = action;
  const incident = incidentOfOrder(stable, id, s.obs.nowMs);
  return {
    ...finding(`Revision ${stable.revision} is rolled back by action ${id}.`, [
      writeAnyway(stable, { rejected: true, incident }),
    ]),
    incident,
    answered: {
      id,
      action: 'rollback',
      revision: stable.revision,
      result: 'Done',
      at: rfc3339(s.obs.nowMs),
    },
  };
};

/** Stable stands rejected: the previous one gets its pods, then the traffic. */
export const stableIsRejected: Check = (s) => {
  const { stable, obs } = s;
  if (stable === null || !stable.record.rejected || s.canaryActive) return null;
  // A canary that was on its way is carried to its end before.
  if (s.inCanaryRole !== null || s.carried > 0) return null;
  const { revision, record } = stable;
  const incident =
    incidentOf(obs, revision) ??
    incidentWithoutRecord(incidentId(revision, record.attempt), revision, obs.nowMs);
  const previous = previousStable(s);
  const isNew = obs.desired.revision !== revision && !isRejected(obs, obs.desired.revision);
  if (isNew && (previous === null || s.obs.nowMs >= deadlineOf(s, previous))) return null;
  if (previous === null) {
    const message = `Revision ${revision} is rejected and no earlier one is left to come back.`;
    return { ...finding(message, []), incident, stalled: true };
  }
  return { ...bringBack(s, previous), incident };
};

/** A newer template waits no longer than this for the pods of a revision that comes back. */
function deadlineOf({ policy }: Situation, { record }: RevisionView): TimeMs {
  return (record.podsMissingSinceMs ?? Infinity) + policy.progressDeadlineSeconds * 1000;
}

function bringBack(s: Situation, previous: RevisionView): Finding {
  const { replicas } = s.policy;
  const { revision } = previous;
  // A scale-down that was decided before fails after this write.
  if (previous.replicas < replicas || previous.record.drainingSinceMs !== null) {
    const record = { drainingSinceMs: null, podsMissingSinceMs: s.obs.nowMs };
    const ups = writeAnyway(previous, record, Math.max(previous.replicas, replicas));
    return finding(`Revision ${revision} comes back: its pods first.`, [ups]);
  }
  if (previous.available === 0 || 2 * previous.available < replicas) {
    const count = `${previous.available} of ${replicas} pods of revision ${revision}`;
    const message = `${count} are available to come back${whyNot(previous)}.`;
    if (previous.record.podsMissingSinceMs === null) {
      return finding(message, [writeAnyway(previous, { podsMissingSinceMs: s.obs.nowMs })]);
    }
    const dueMs = deadlineOf(s, previous);
    const waits = finding(message, []);
    return s.obs.nowMs < dueMs ? { ...waits, lookAgainAtMs: dueMs } : waits;
  }
  return finding(`Revision ${revision} gets the traffic back.`, giveStable(s, previous));
}

/** With a router the selector of -stable is what moves the traffic. */
function giveStable(s: Situation, previous: RevisionView): readonly Command[] {
  // The later promotion counts, also by a clock that went back.
  const afterMs = (s.stable?.record.promotedMs ?? 0) + 1;
  const role = writeAnyway(previous, becomesStable(Math.max(s.obs.nowMs, afterMs)));
  return s.routed ? [turnService(s, 'stable', previous.revision), role] : [role];
}

function finding(message: string, commands: readonly Command[]): Finding {
  return { phase: 'RollingBack', reason: 'RollingBack', message, commands };
}
