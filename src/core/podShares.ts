// Shares without a router: they are pod counts, moved within the surge bounds, and given and taken
// by the ReplicaSets' own replicas. With a router nothing of this applies.
import type { Incident } from '../api/schema.ts';
import type { Finding } from './decision.ts';
import { completeStable } from './lowering.ts';
import type { Command, RevisionRecord, RevisionView } from './model.ts';
import { duringRollout, scale, stepName, write, writeAnyway } from './rollout.ts';
import type { Situation } from './situation.ts';
import { podsForShare } from './situation.ts';
import { raiseIsForbidden } from './stepEnd.ts';

/** The pod counts are not those of the step: the canary grows first, then stable shrinks. */
export const podsAreNotTheSteps = duringRollout((s, { canary, stable, step }) => {
  if (s.routed) return null;
  const { replicas, maxSurge, maxUnavailable } = s.policy;
  const wanted = podsForShare(s.policy, step.weight);
  const room = Math.max(canary.replicas, replicas + maxSurge - stable.replicas);
  const canaryNext = Math.min(wanted.canary, room);
  const needless = replicas - maxUnavailable - canary.available;
  const stableNext =
    stable.replicas < wanted.stable ? wanted.stable : Math.max(wanted.stable, needless);
  const commands: Command[] = [];
  if (canaryNext !== canary.replicas) commands.push(scale(s, canary, canaryNext));
  if (stableNext < stable.replicas || stable.replicas < wanted.stable) {
    commands.push(write(stable, {}, stableNext));
  }
  if (commands.length === 0) return null;
  // More pods of both, as when a person scales, is no greater share.
  const raises = canaryNext * stable.replicas > canary.replicas * stableNext;
  const forbidden = raises ? raiseIsForbidden(s, canary, step) : null;
  if (forbidden !== null) return forbidden;
  return {
    phase: 'Progressing',
    reason: 'StepStarted',
    message:
      `Pods for ${stepName(step, s)}: ${canaryNext} of ${wanted.canary} of the canary, ` +
      `${stableNext} of stable.`,
    commands,
  };
});

/**
 * The writes that take a canary's pods away, its record in the same one. Where the canary has all
 * the traffic (in the bake), stable's pods come back first, as many as carry it; a verdict is
 * written by itself before.
 */
export function takePodsBack(
  s: Situation,
  view: RevisionView | null,
  record: Partial<RevisionRecord>,
): readonly Command[] {
  const commands: Command[] = [];
  if (view !== null) {
    if (view.replicas === 0 || !stableCarries(s, view)) {
      if (record.rejected === true) commands.push(writeAnyway(view, record));
    } else commands.push(writeAnyway(view, record, 0));
  }
  return [...commands, ...completeStable(s)];
}

/** A canary that shares the traffic goes at once; one that has it all waits for half of stable. */
export function stableCarries({ policy, stable }: Situation, view: RevisionView): boolean {
  if (stable === null) return false;
  if (view.available === 0 || 2 * stable.available >= policy.replicas) return true;
  return stable.available > 0 && view.replicas < policy.replicas;
}

/** The plan of a rollback by pod counts, from its first pass to its last. */
export function rollBackPods(
  s: Situation,
  view: RevisionView | null,
  incident: Incident,
): Pick<Finding, 'phase' | 'reason' | 'commands' | 'stalled'> {
  const known = view?.record.rejected === true;
  const record = known ? {} : { rejected: true, incident, role: null };
  const commands = takePodsBack(s, view, record);
  const isBack = view === null || (view.replicas === 0 && view.record.rejected);
  const phase = isBack ? 'RolledBack' : 'RollingBack';
  return { phase, reason: phase, commands, stalled: isBack };
}
