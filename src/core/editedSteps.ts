// Steps that were edited while one of them runs: its hold, its approval and a pause count for the
// weight that it began with, so that no edit skips them.
import type { Policy } from '../api/defaults.ts';
import { duringRollout, stepName, write } from './rollout.ts';
import { runningStep } from './situation.ts';

/** The running step gives another weight than it began with: it begins anew, before any raise. */
export const stepWasEdited = duringRollout((s, { canary, step }) => {
  const { step: number, stepStartMs, stepWeight, approvedStep } = canary.record;
  if (stepStartMs === null || stepWeight === null || stepWeight === step.weight) return null;
  const next = runningStep(s.policy, stepAfterEdit(s.policy, number, stepWeight));
  const begins = next.weight !== stepWeight;
  return {
    phase: 'Progressing',
    reason: 'StepStarted',
    message:
      `The steps were edited while one gave the canary ${stepWeight} %; ` +
      `${stepName(next, s)} ${begins ? 'begins' : 'goes on'}.`,
    commands: [
      write(canary, {
        step: next.number,
        ...(begins ? { stepDecidedMs: s.obs.nowMs, stepStartMs: null } : {}),
        approvedStep: Math.min(approvedStep, next.number - 1),
      }),
    ],
  };
});

/**
 * The step of the same number; where there is none any more, the first that gives at least as much,
 * or else the last: the bake goes on only for a canary that has all the traffic.
 */
function stepAfterEdit({ steps }: Policy, number: number, weight: number): number {
  if (weight < 100 && number <= steps.length) return number;
  const first = steps.findIndex((step) => step.weight >= weight);
  if (first >= 0) return first + 1;
  return weight === 100 ? steps.length + 1 : Math.max(1, steps.length);
}
