// The checks that give traffic, in the order of a rollout: the ReplicaSet, its pods, its service,
// the weight, the word of the router. Each waits for what comes before it; stepEnd.ts goes on.
import type { Check, Finding } from './decision.ts';
import { leastWeight, lower } from './lowering.ts';
import { judgePods, whyNot } from './podHealth.ts';
import { duringRollout, otherWriterOf, scale, stepName, turnService, write } from './rollout.ts';
import { endpointsHold } from './settle.ts';
import type { RunningStep, Situation } from './situation.ts';
import { markOf, rejectedAttempt, sameMark, sharesOf } from './situation.ts';
import { holdingMessage, raiseIsForbidden } from './stepEnd.ts';
import { beginAttempt } from './takeAway.ts';
import { rfc3339 } from './text.ts';

/** With no pods wanted there is nothing that a canary could be judged by. */
export const nothingIsWanted: Check = (s) => {
  if (s.canaryActive || s.policy.replicas > 0) return null;
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message: 'spec.replicas is 0: the new revision begins when there is traffic to serve.',
    commands: [],
  };
};

/** The new revision has no attempt yet: its ReplicaSet is made at 0 replicas, or taken up again. */
export const attemptBegins: Check = (s) => {
  if (s.canaryActive) return null;
  const { revision, hash } = s.obs.desired;
  const finding = {
    phase: 'Progressing',
    reason: 'RolloutStarted',
    message: `The canary of revision ${revision} begins.`,
  } as const;
  if (s.canary?.deleting === true) return { ...finding, commands: [] };
  const begin = beginAttempt(s, lastAttempt(s, revision));
  if (s.canary !== null) return { ...finding, commands: [write(s.canary, begin)] };
  return {
    ...finding,
    commands: [{ kind: 'createReplicaSet', revision, hash, replicas: 0, record: begin }],
  };
};

/** The number of the newest attempt that left a trace. */
function lastAttempt(s: Situation, revision: string): number {
  const marks = s.routes.flatMap(({ mark }) =>
    mark !== null && mark.uid === s.obs.object.metadata.uid && mark.revision === revision
      ? [mark.attempt]
      : [],
  );
  return Math.max(s.canary?.record.attempt ?? 0, rejectedAttempt(s.obs, revision), ...marks);
}

/** Evidence counts from the first available pod of this attempt; it is written down first. */
export const attemptHasNoStart: Check = duringRollout((_, { canary }) => {
  if (canary.record.attemptStartMs !== null || canary.available === 0) return null;
  const begunMs = canary.record.attemptBegunMs ?? canary.createdAtMs;
  const readyMs = canary.pods.flatMap((pod) => (pod.readySinceMs === null ? [] : pod.readySinceMs));
  const firstReadyMs = readyMs.length === 0 ? begunMs : Math.min(...readyMs);
  const attemptStartMs = Math.ceil(Math.max(begunMs, firstReadyMs) / 1000) * 1000;
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message: `Evidence of revision ${canary.revision} counts from ${rfc3339(attemptStartMs)}.`,
    commands: [write(canary, { attemptStartMs })],
  };
});

/** Capacity comes before the weight, and goes only when more than the weight needs is there. */
export const canaryIsScaled: Check = duringRollout((s, { canary, step, needed }) => {
  if (!s.routed) return null;
  const surplus = canary.replicas > needed && canary.available >= canary.replicas;
  if (canary.replicas >= needed && !surplus) return null;
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message: `The canary is scaled to ${needed} pods for ${stepName(step, s)}.`,
    commands: [scale(s, canary, needed)],
  };
});

/** The weight waits for as many available pods as it needs. */
export const podsAreMissing: Check = duringRollout((s, { canary, step, needed }) => {
  if (canary.available >= needed) return null;
  const verdict = judgePods(canary, needed, s.policy.progressDeadlineSeconds, s.obs.nowMs);
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message:
      `${canary.available} of ${needed} canary pods are available for ` +
      `${stepName(step, s)}${whyNot(canary)}.`,
    commands: [],
    ...(verdict.state === 'due' ? { lookAgainAtMs: verdict.dueAtMs } : {}),
  };
});

/** -canary selects the canary, changed only while no route gives it weight. */
export const canaryServiceIsElsewhere: Check = duringRollout((s, { canary }) => {
  const { canaryService } = s.obs;
  if (canaryService === null || canaryService.revision === canary.revision) return null;
  const finding = {
    phase: 'Progressing',
    reason: 'WaitingForEndpoints',
    message: `The canary service turns to revision ${canary.revision}.`,
  } as const;
  const select = turnService(s, 'canary', canary.revision);
  if (s.carried === 0) return { ...finding, commands: [select] };
  const mark = markOf(s.obs, canary);
  return {
    ...finding,
    commands: [lower(0, mark, 'none', null), { kind: 'readBack' }],
  };
});

/** Weight waits until -canary's endpoints hold the canary's ready pods and nobody else's. */
export const endpointsAreMissing: Check = duringRollout((s, { canary, needed }) => {
  if (!s.routed || endpointsHold(s.obs.canaryEndpoints, canary, needed)) return null;
  return {
    phase: 'Progressing',
    reason: 'WaitingForEndpoints',
    message:
      `The endpoints of the canary service do not hold ${needed} ready pods of revision ` +
      `${canary.revision} alone yet.`,
    commands: [],
  };
});

/** The routes do not carry the step's weight: raised on evidence only, lowered at once. */
export const weightIsNotTheSteps: Check = duringRollout((s, { canary, step }) => {
  const mark = markOf(s.obs, canary);
  const shares = s.routes.flatMap(sharesOf);
  const differs = shares.some((share) => share !== step.weight);
  if (!differs && s.routes.every((route) => sameMark(route.mark, mark))) return null;
  const raises = shares.some((share) => share < step.weight);
  if (!raises && leastWeight(s) > step.weight) return stableCantCarry(s, step);
  const forbidden = raises ? raiseIsForbidden(s, canary, step) : null;
  if (forbidden !== null) return forbidden;
  const overwritten = canary.record.stepStartMs !== null;
  const { nowMs, raiseNotBeforeMs } = s.obs;
  const by = otherWriterOf(s.routes);
  if (overwritten && raises && nowMs < raiseNotBeforeMs) {
    return {
      phase: 'Progressing',
      reason: 'WeightsOverwritten',
      message:
        `The weights are not those of ${stepName(step, s)}${by}; they were put back before, and ` +
        `are again at ${rfc3339(raiseNotBeforeMs)}.`,
      commands: [],
      lookAgainAtMs: raiseNotBeforeMs,
    };
  }
  return {
    phase: 'Progressing',
    reason: overwritten ? 'WeightsOverwritten' : 'StepStarted',
    message: overwritten
      ? `The weights were not those of ${stepName(step, s)}${by}; they are put back.`
      : `The canary gets the weight of ${stepName(step, s)}.`,
    commands: [
      {
        kind: 'setWeights',
        guard: raises ? 'raise' : 'lower',
        canaryWeight: step.weight,
        mark,
        verdict: 'none',
        incident: null,
      },
    ],
  };
});

/** It fell as far as stable's pods can carry what it loses: weightIsTooHigh goes on with it. */
function stableCantCarry(s: Situation, step: RunningStep): Finding {
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message:
      `The canary keeps ${leastWeight(s)} %, more than ${stepName(step, s)} gives it, until ` +
      `stable has the pods to carry them.`,
    commands: [],
  };
}

/** The hold counts from the router's acceptance, not from the patch. */
export const routerHasNotAccepted: Check = duringRollout((s) => {
  const pending = s.routes.find((route) => !route.accepted);
  if (pending === undefined) return null;
  return {
    phase: 'Progressing',
    reason: 'WaitingForRouter',
    message: `${pending.kind} ${pending.name}: ${pending.notAccepted}`,
    commands: [],
  };
});

/** The step's hold begins now, by the metric server's clock. */
export const stepHasNoStart: Check = duringRollout((s, { canary, step }) => {
  if (canary.record.stepStartMs !== null) return null;
  const stepStartMs = s.obs.metricsNowMs;
  return {
    phase: 'Progressing',
    reason: 'Holding',
    message: holdingMessage(s, step, stepStartMs),
    commands: [write(canary, { stepStartMs, stepWeight: step.weight })],
  };
});
