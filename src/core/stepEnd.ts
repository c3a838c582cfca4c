// The checks that end a step: what a raise, a hold and a promotion ask of the evidence and of
// people, and what each says while it waits. Nothing here gives weight.
import { formatDuration, formatValue } from '../api/quantities.ts';
import type { Phase } from '../api/schema.ts';
import type { Check, Finding } from './decision.ts';
import { judgeHealth } from './holds.ts';
import { isCritical } from './judgement.ts';
import type { SignalJudgement } from './judgement.ts';
import type { RevisionView } from './model.ts';
import { duringRollout, stepName, turnService, write, writeAnyway } from './rollout.ts';
import { awaitsApproval, becomesStable, stepBegins } from './situation.ts';
import type { RunningStep, Situation } from './situation.ts';
import { rfc3339 } from './text.ts';

/** A canary that has all the traffic bakes. */
function phaseOf({ step, canary }: Situation): Phase {
  const bakes = step?.final === true && canary?.record.stepStartMs !== null;
  return bakes ? 'Baking' : 'Progressing';
}

/** No data is natural before the first weight; afterwards a raise needs a trustworthy look. */
export function raiseIsForbidden(
  s: Situation,
  canary: RevisionView,
  step: RunningStep,
): Finding | null {
  if (s.policy.observeOnly) return null;
  const critical = s.signals.find(isCritical);
  if (critical !== undefined) return waitsForLevel(critical, step, s);
  const { stepStartMs, stepWeight } = canary.record;
  if (step.number === 1 && stepStartMs === null && stepWeight === null) return null;
  if (s.obs.evidence === null)
    return waitsForEvidence('the first look at the metric server', [], s);
  return waitsForTrust(s);
}

/** How long the step will last. */
export function holdingMessage(s: Situation, step: RunningStep, stepStartMs: number): string {
  if (step.holdSeconds === 0) return `${stepName(step, s)} lasts until it is approved.`;
  const end = rfc3339(stepStartMs + step.holdSeconds * 1000);
  return `${stepName(step, s)} holds for ${formatDuration(step.holdSeconds)}, until ${end}.`;
}

function waitsForLevel(judgement: SignalJudgement, step: RunningStep, s: Situation): Finding {
  const { signal, latest } = judgement;
  const limit = signal.critical ?? signal.rollback;
  const shown = limit === null ? 'its limit' : formatValue(limit, signal.unit);
  const was = latest?.value ?? null;
  return {
    phase: phaseOf(s),
    reason: 'LevelCritical',
    message:
      `${stepName(step, s)} waits: ${signal.name} is ${signal.direction} ${shown}` +
      `${was === null ? '' : ` (${judgement.level})`}.`,
    commands: [],
  };
}

function waitsForTrust(s: Situation): Finding | null {
  const blind = s.signals.filter(
    ({ signal, absence }) => signal.needed && absence !== null && absence.kind !== 'noData',
  );
  return blind.length > 0 ? waitsForEvidence('evidence that can be trusted', blind, s) : null;
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
    phase: phaseOf(s),
    reason: 'EvidenceMissing',
    message: [`${first} waits for ${what}.`, ...reasons].join(' '),
    commands: [],
  };
}
/** A signal is beyond its critical limit, or a breach is on its way to a verdict. */
export const levelIsCritical: Check = duringRollout((s, { step }) => {
  const critical = s.policy.observeOnly ? undefined : s.signals.find(isCritical);
  return critical === undefined ? null : waitsForLevel(critical, step, s);
});

/** The step's hold has not passed yet. */
export const holdIsNotOver: Check = duringRollout((s, { canary, step }) => {
  const startMs = canary.record.stepStartMs;
  if (startMs === null) return null;
  const endMs = startMs + step.holdSeconds * 1000;
  const leftMs = endMs - s.obs.metricsNowMs;
  if (leftMs <= 0) return null;
  const waits = s.policy.observeOnly ? null : waitsForTrust(s);
  if (waits !== null) return waits;
  return {
    phase: phaseOf(s),
    reason: step.final ? 'Baking' : 'Holding',
    message: holdingMessage(s, step, startMs),
    commands: [],
    lookAgainAtMs: s.obs.nowMs + leftMs,
  };
});

/** The hold is over, and the step waits for a person besides. */
export const approvalIsMissing: Check = duringRollout((s, { canary, step }) => {
  if (!awaitsApproval(canary, step)) return null;
  return {
    phase: 'AwaitingApproval',
    reason: 'AwaitingApproval',
    message: `${stepName(step, s)} waits for x0tta.io/action: approve/<id>/${canary.revision}.`,
    commands: [],
  };
});

/** Every needed signal must have been healthy over the whole hold, and no other one unhealthy. */
export const healthIsNotProven: Check = duringRollout((s, { canary, step }) => {
  const startMs = canary.record.stepStartMs;
  if (startMs === null || s.policy.observeOnly) return null;
  const endMs = startMs + step.holdSeconds * 1000;
  for (const judgement of s.signals) {
    const { signal, history, stepSeconds, observedAtMs } = judgement;
    if (
      signal.needed &&
      judgement.absence !== null &&
      judgement.absence.reason !== 'TooFewRequests'
    )
      return waitsForEvidence('evidence', [judgement], s);
    const isOfPods = signal.kind === 'availability';
    // One that is left out while it is absent has to be looked for, too.
    const isUnseen =
      observedAtMs < endMs || !judgement.isWhole || (signal.needed && history.length === 0);
    if (isUnseen && !isOfPods)
      return waitsForEvidence(`the look at the whole hold of ${signal.name}`, [], s);
    // A step that only an approval ends has no hold of its own: the newest `for` stands for it.
    const [fromMs, seconds] =
      step.holdSeconds > 0
        ? [startMs, step.holdSeconds]
        : [canary.record.attemptStartMs ?? startMs, signal.forSeconds];
    const health = judgeHealth(signal, history, stepSeconds, fromMs, seconds, observedAtMs);
    if (health.state === 'unhealthy') {
      return {
        phase: phaseOf(s),
        reason: 'LevelCritical',
        message:
          `${stepName(step, s)} waits until ${rfc3339(health.clearAtMs)}: ${signal.name} was ` +
          `critical at ${rfc3339(health.lastMs)}.`,
        commands: [],
      };
    }
    if (!signal.needed || isOfPods) continue;
    if (health.state === 'tooFewRequests') {
      return {
        phase: phaseOf(s),
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
    commands: [write(canary, stepBegins(s.policy, step.number + 1))],
  };
});

/**
 * With a router, -stable carries nothing at 100 %, so its selector can move, and what it selects is
 * stable; without one the record alone says it.
 */
function promote(s: Situation, canary: RevisionView, stable: RevisionView): Finding {
  const { revision } = canary;
  return {
    phase: 'Progressing',
    reason: 'Promoting',
    message: `Revision ${revision} has passed every step and becomes stable.`,
    commands: [
      ...(s.routed ? [turnService(s, 'stable', revision)] : []),
      writeAnyway(canary, becomesStable(s.obs.nowMs)),
      writeAnyway(stable, { role: null }),
    ],
  };
}
