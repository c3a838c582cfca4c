// Steps that were edited while one of them runs: its hold, its approval and a pause count for the
// weight that it began with, so that no edit skips them.
import type { Policy } from '../api/defaults.ts';
import { duringRollout, stepName, write } from './rollout.ts';
import { runningStep, stepBegins } from './situation.ts';

/** The running step gives another weight than it began with: it begins anew, before any raise. */
export const stepWasEdited = duringRollout((s, { canary, step }) => {
  const { step: number, stepStartMs, stepWeight, decidedWeight, approvedStep } = canary.record;
  // Before the router has accepted it, a step is what it was decided to be.
  const began = stepStartMs === null ? decidedWeight : stepWeight;
  if (began === null || began === step.weight) return null;
  const next = stepAfterEdit(s.policy, number, stepWeight ?? 0);
  const { weight } = runningStep(s.policy, next);
  const begins = stepStartMs === null || weight !== stepWeight;
  return {
    phase: 'Progressing',
    reason: 'StepStarted',
    message:
      `The steps were edited while one was to give the canary ${began} %; ` +
      `${stepName(runningStep(s.policy, next), s)} ${begins ? 'begins' : 'goes on'}.`,
    commands: [
      write(canary, {
        ...(begins ? stepBegins(s.policy, next) : { step: next }),
        approvedStep: Math.min(approvedStep, next - 1),
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
