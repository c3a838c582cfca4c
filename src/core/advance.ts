// The checks that give traffic, in the order of a rollout: the ReplicaSet, its pods, its service,
// the weight, the router's word, the hold, the next step, promotion. Each waits for what comes
// before it.
import { formatDuration, formatValue } from '../api/quantities.ts';
import type { Check, Finding } from './decision.ts';
import { judgeHealth } from './holds.ts';
import type { SignalJudgement } from './judgement.ts';
import type { RevisionRecord, RevisionView } from './model.ts';
import { judgePods, whyNot } from './podHealth.ts';
import { endpointsHold } from './settle.ts';
import { stopsAdvance } from './signals.ts';
import type { RunningStep, Situation } from './situation.ts';
import { carriedBy, markOf, podsForWeight, rejectedAttempt, sameMark } from './situation.ts';
import { beginAttempt, lower } from './takeAway.ts';
import { rfc3339 } from './text.ts';

interface Rollout {
  readonly canary: RevisionView;
  readonly stable: RevisionView;
  readonly step: RunningStep;
  /** Pods that the step's weight needs. */
  readonly needed: number;
}

/** A check that has something to say only while a canary is on its way. */
function duringRollout(check: (s: Situation, r: Rollout) => Finding | null): Check {
  return (s) => {
    const { canary, stable, step } = s;
    if (!s.canaryActive || canary === null || stable === null || step === null) return null;
    return check(s, {
      canary,
      stable,
      step,
      needed: podsForWeight(s.policy.replicas, step.weight),
    });
  };
}

function stepName({ number, weight, final }: RunningStep, s: Situation): string {
  return final ? 'the last step (100 %)' : `step ${number}/${s.policy.steps.length} (${weight} %)`;
}

function record(canary: RevisionView, fields: Partial<RevisionRecord>): Finding['commands'] {
  const { name, uid, resourceVersion } = canary;
  return [{ kind: 'writeRevision', name, uid, resourceVersion, record: fields }];
}

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
  if (s.canary !== null) return { ...finding, commands: record(s.canary, begin) };
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

/** Capacity comes before the weight, and goes only when more than the weight needs is there. */
export const canaryIsScaled: Check = duringRollout((s, { canary, step, needed }) => {
  const surplus = canary.replicas > needed && canary.available >= canary.replicas;
  if (canary.replicas >= needed && !surplus) return null;
  const { name, uid, resourceVersion } = canary;
  return {
    phase: 'Progressing',
    reason: 'WaitingForPods',
    message: `The canary is scaled to ${needed} pods for ${stepName(step, s)}.`,
    commands: [{ kind: 'writeRevision', name, uid, resourceVersion, record: {}, replicas: needed }],
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

/** Evidence counts from the first available pod of this attempt; it is written down first. */
export const attemptHasNoStart: Check = duringRollout((_, { canary }) => {
  if (canary.record.attemptStartMs !== null) return null;
  const begunMs = canary.record.attemptBegunMs ?? canary.createdAtMs;
  const readyMs = canary.pods.flatMap((pod) => (pod.readySinceMs === null ? [] : pod.readySinceMs));
  const firstReadyMs = readyMs.length === 0 ? begunMs : Math.min(...readyMs);
  const attemptStartMs = Math.ceil(Math.max(begunMs, firstReadyMs) / 1000) * 1000;
  return {
    phase: 'Progressing',
    reason: 'WaitingForEndpoints',
    message: `Evidence of revision ${canary.revision} counts from ${rfc3339(attemptStartMs)}.`,
    commands: record(canary, { attemptStartMs }),
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
  const { resourceVersion } = canaryService;
  const { revision } = canary;
  const select = { kind: 'applyService', role: 'canary', revision, resourceVersion } as const;
  if (s.carried === 0) return { ...finding, commands: [select] };
  const mark = markOf(s.obs, canary);
  return {
    ...finding,
    commands: [lower(0, mark, 'none', null), { kind: 'readBack' }],
  };
});

/** Weight waits until -canary's endpoints hold the canary's ready pods and nobody else's. */
export const endpointsAreMissing: Check = duringRollout((s, { canary, needed }) => {
  if (endpointsHold(s.obs.canaryEndpoints, canary, needed)) return null;
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
  const differs = s.routes.some(
    (route) => carriedBy(route) !== step.weight || !sameMark(route.mark, mark),
  );
  if (!differs) return null;
  const raises = s.routes.some((route) => carriedBy(route) < step.weight);
  const forbidden = raises ? raiseIsForbidden(s, canary, step) : null;
  if (forbidden !== null) return forbidden;
  const overwritten = canary.record.stepStartMs !== null;
  return {
    phase: 'Progressing',
    reason: overwritten ? 'WeightsOverwritten' : 'StepStarted',
    message: overwritten
      ? `The weights were not those of ${stepName(step, s)}; they are put back.`
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

/** No data is natural before the first weight; afterwards a raise needs a trustworthy look. */
function raiseIsForbidden(s: Situation, canary: RevisionView, step: RunningStep): Finding | null {
  const critical = s.signals.find(isCritical);
  if (critical !== undefined) return waitsForLevel(critical, step, s);
  if (step.number === 1 && canary.record.stepStartMs === null) return null;
  if (s.obs.evidence === null)
    return waitsForEvidence('the first look at the metric server', [], s);
  const blind = s.signals.filter(
    ({ signal, absence }) => signal.needed && absence !== null && absence.kind !== 'noData',
  );
  return blind.length > 0 ? waitsForEvidence('evidence that can be trusted', blind, s) : null;
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
    commands: record(canary, { stepStartMs }),
  };
});

function holdingMessage(s: Situation, step: RunningStep, stepStartMs: number): string {
  const end = rfc3339(stepStartMs + step.holdSeconds * 1000);
  return `${stepName(step, s)} holds for ${formatDuration(step.holdSeconds)}, until ${end}.`;
}

function isCritical({ advanceLevel, breach }: SignalJudgement): boolean {
  return stopsAdvance(advanceLevel) || breach.state === 'suspect';
}

function waitsForLevel(judgement: SignalJudgement, step: RunningStep, s: Situation): Finding {
  const { signal, latest } = judgement;
  const limit = signal.critical ?? signal.rollback;
  const shown = limit === null ? 'its limit' : formatValue(limit, signal.unit);
  const was = latest?.value ?? null;
  return {
    phase: 'Progressing',
    reason: 'LevelCritical',
    message:
      `${stepName(step, s)} waits: ${signal.name} is ${signal.direction} ${shown}` +
      `${was === null ? '' : ` (${judgement.level})`}.`,
    commands: [],
  };
}

function waitsForEvidence(
  what: string,
  signals: readonly SignalJudgement[],
  s: Situation,
): Finding {
  const reasons = signals.map(
    ({ signal, absence }) => `${signal.name}: ${absence?.reason}: ${absence?.message ?? ''}`,
  );
  const first = s.step === null ? 'The step' : stepName(s.step, s);
  return {
    phase: 'Progressing',
    reason: 'EvidenceMissing',
    message: [`${first} waits for ${what}.`, ...reasons].join(' '),
    commands: [],
  };
}

/** A signal is beyond its critical limit, or a breach is on its way to a verdict. */
export const levelIsCritical: Check = duringRollout((s, { step }) => {
  const critical = s.signals.find(isCritical);
  return critical === undefined ? null : waitsForLevel(critical, step, s);
});

/** The step's hold has not passed yet. */
export const holdIsNotOver: Check = duringRollout((s, { canary, step }) => {
  const startMs = canary.record.stepStartMs;
  if (startMs === null) return null;
  const endMs = startMs + step.holdSeconds * 1000;
  const leftMs = endMs - s.obs.metricsNowMs;
  if (leftMs <= 0) return null;
  const blind = s.signals.filter(
    ({ signal, absence }) => signal.needed && absence !== null && absence.kind !== 'noData',
  );
  if (blind.length > 0) return waitsForEvidence('evidence that can be trusted', blind, s);
  return {
    phase: 'Progressing',
    reason: 'Holding',
    message: holdingMessage(s, step, startMs),
    commands: [],
    lookAgainAtMs: s.obs.nowMs + leftMs,
  };
});

/** Every needed signal must have been healthy over the whole hold, and no other one unhealthy. */
export const healthIsNotProven: Check = duringRollout((s, { canary, step }) => {
  const startMs = canary.record.stepStartMs;
  if (startMs === null) return null;
  const endMs = startMs + step.holdSeconds * 1000;
  for (const judgement of s.signals) {
    const { signal, history, stepSeconds, observedAtMs } = judgement;
    if (
      signal.needed &&
      judgement.absence !== null &&
      judgement.absence.reason !== 'TooFewRequests'
    )
      return waitsForEvidence('evidence', [judgement], s);
    if (signal.needed && (observedAtMs < endMs || history.length === 0))
      return waitsForEvidence(`the look at the whole hold of ${signal.name}`, [], s);
    const health = judgeHealth(
      signal,
      history,
      stepSeconds,
      startMs,
      step.holdSeconds,
      observedAtMs,
    );
    if (health.state === 'unhealthy') {
      return {
        phase: 'Progressing',
        reason: 'LevelCritical',
        message:
          `${stepName(step, s)} waits until ${rfc3339(health.clearAtMs)}: ${signal.name} was ` +
          `critical at ${rfc3339(health.lastMs)}.`,
        commands: [],
      };
    }
    if (!signal.needed) continue;
    if (health.state === 'tooFewRequests') {
      return {
        phase: 'Progressing',
        reason: 'TooFewRequests',
        message:
          `${stepName(step, s)} waits: ${signal.name} needs ${signal.minRequests} requests ` +
          `within the hold; ${health.missing} are missing.`,
        commands: [],
      };
    }
    if (health.state === 'unknown') {
      return waitsForEvidence(`a whole hold of known values of ${signal.name}`, [], s);
    }
  }
  return null;
});

/** Every hold is proven: the next step is written down before its weight is given. */
export const stepPasses: Check = duringRollout((s, { canary, stable, step }) => {
  if (step.final) return promote(s, canary, stable);
  return {
    phase: 'Progressing',
    reason: 'StepStarted',
    message: `${stepName(step, s)} has passed.`,
    commands: record(canary, {
      step: step.number + 1,
      stepDecidedMs: s.obs.nowMs,
      stepStartMs: null,
    }),
  };
});

/** At 100 % -stable carries nothing, so its selector can move; the roles follow it. */
function promote(s: Situation, canary: RevisionView, stable: RevisionView): Finding {
  const { stableService } = s.obs;
  const roleOf = (view: RevisionView, role: RevisionRecord['role']) =>
    ({
      kind: 'writeRevision',
      name: view.name,
      uid: view.uid,
      resourceVersion: null,
      record: { role },
    }) as const;
  return {
    phase: 'Progressing',
    reason: 'Promoting',
    message: `Revision ${canary.revision} has passed every step and becomes stable.`,
    commands: [
      {
        kind: 'applyService',
        role: 'stable',
        revision: canary.revision,
        resourceVersion: stableService?.resourceVersion ?? null,
      },
      roleOf(canary, 'stable'),
      roleOf(stable, null),
    ],
  };
}
