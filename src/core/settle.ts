// The checks around the stable revision: the first one is made, its services exist, and outside a
// rollout every route stands on it.
import { OBJECT_LABEL } from '../api/names.ts';
import type { Check, Finding } from './decision.ts';
import { lower } from './lowering.ts';
import type { Command, EndpointsView, RevisionView } from './model.ts';
import { whyNot } from './podHealth.ts';
import { otherWriterOf, turnService, write } from './rollout.ts';
import type { Situation } from './situation.ts';
import { becomesStable, markOf } from './situation.ts';

/** Whether a service's ready addresses are there and belong to one revision's pods alone. */
export function endpointsHold(
  endpoints: EndpointsView,
  revision: RevisionView,
  atLeast: number,
): boolean {
  const own = new Set(revision.pods.map(({ name }) => name));
  return endpoints.ready >= atLeast && endpoints.pods.every((pod) => own.has(pod));
}

/** Somebody took the ReplicaSet from under pods that serve: these are not to lose the traffic. */
export const stableIsOutOfSight: Check = (s) => {
  const { stableService, stableEndpoints } = s.obs;
  if (s.stable !== null || stableService?.owned !== true || stableEndpoints.ready === 0)
    return null;
  const { revision } = stableService;
  if (revision === s.obs.desired.revision) return null;
  return {
    phase: 'Progressing',
    reason: 'StableOutOfSight',
    message:
      `${stableEndpoints.ready} pods of revision ${revision} serve, and their ReplicaSet is gone ` +
      `or lost its label ${OBJECT_LABEL}: give it back, or delete the pods for a first rollout.`,
    commands: [],
    stalled: true,
  };
};

/** Without a stable revision the desired one is rolled out whole: there is nothing to protect. */
export const firstRevisionIsMissing: Check = (s) => {
  if (s.stable !== null) return null;
  const { revision, hash } = s.obs.desired;
  const { nowMs } = s.obs;
  const record = { ...becomesStable(nowMs), attempt: 1, attemptBegunMs: nowMs, step: 0 };
  const existing = s.canary;
  const first: Command =
    existing === null
      ? { kind: 'createReplicaSet', revision, hash, replicas: s.policy.replicas, record }
      : write(
          existing,
          { ...record, attempt: existing.record.attempt, drainingSinceMs: null },
          s.policy.replicas,
        );
  return {
    phase: 'Progressing',
    reason: 'FirstRollout',
    message: `Revision ${revision} is the first one and needs no canary.`,
    commands: s.routed
      ? [first, turnService(s, 'stable', revision), turnService(s, 'canary', revision)]
      : [first],
  };
};

/** Makes a service of ours that is gone, and turns a -stable that names a ReplicaSet that is. */
export function missingServices(s: Situation): readonly Command[] {
  const { stable } = s;
  const { stableService, canaryService } = s.obs;
  if (stable === null || !s.routed) return [];
  const commands: Command[] = [];
  if (stableService === null || stableService.revision !== stable.revision) {
    commands.push(turnService(s, 'stable', stable.revision));
  }
  if (canaryService === null) {
    const inTraffic = s.canaryActive && s.carried > 0 ? s.canary : null;
    commands.push(turnService(s, 'canary', (inTraffic ?? stable).revision));
  }
  return commands;
}

/** A service of ours is gone, or -stable names a ReplicaSet that is gone. */
export const serviceIsMissing: Check = (s) => {
  const commands = missingServices(s);
  if (commands.length === 0) return null;
  return {
    phase: 'Progressing',
    reason: 'WaitingForEndpoints',
    message: 'A service of the operator is gone or selects a ReplicaSet that is; it is made again.',
    commands,
  };
};

/** The template is that of stable: every route stands on it, and its pods are counted. */
export const stableIsDesired: Check = (s) => {
  const { stable } = s;
  if (stable === null || stable.revision !== s.obs.desired.revision) return null;
  return s.routed && s.carried > 0 ? routesReturnTo(s, stable) : stableServes(s, stable);
};

/** Both services select stable already, so this moves names, not traffic. */
function routesReturnTo(s: Situation, stable: RevisionView): Finding {
  const wasStable = s.obs.object.status?.phase === 'Stable';
  const phase = wasStable ? 'Stable' : 'Progressing';
  if (stable.available > 0 && !endpointsHold(s.obs.stableEndpoints, stable, 1)) {
    return {
      phase,
      reason: 'WaitingForEndpoints',
      message:
        `The endpoints of the stable service do not hold revision ` +
        `${stable.revision} alone yet.`,
      commands: [],
    };
  }
  const mark = markOf(s.obs, stable);
  return {
    phase,
    reason: wasStable ? 'WeightsOverwritten' : 'Promoting',
    message: wasStable
      ? `Another writer gave the canary service weight${otherWriterOf(s.routes)}; it is taken back.`
      : `Revision ${stable.revision} is stable; its routes go to the stable service.`,
    commands: [lower(0, mark, 'none', null), { kind: 'readBack' }],
  };
}

function stableServes(s: Situation, stable: RevisionView): Finding {
  const needed = s.policy.replicas;
  const complete = stable.available >= needed;
  if (complete) {
    const message = `Revision ${stable.revision} serves.`;
    return { phase: 'Stable', reason: 'Stable', message, commands: [] };
  }
  const message =
    `${stable.available} of ${needed} pods of revision ${stable.revision} are ` +
    `available${whyNot(stable)}.`;
  if (s.obs.object.status?.phase === 'Stable') {
    return { phase: 'Stable', reason: 'MinimumReplicasUnavailable', message, commands: [] };
  }
  const begunMs = stable.record.attemptBegunMs ?? stable.createdAtMs;
  const deadlineMs = begunMs + s.policy.progressDeadlineSeconds * 1000;
  const late = s.obs.nowMs >= deadlineMs;
  return {
    phase: 'Progressing',
    reason: late ? 'ProgressDeadlineExceeded' : 'FirstRollout',
    message,
    commands: [],
    stalled: late,
    ...(late ? {} : { lookAgainAtMs: deadlineMs }),
  };
}
