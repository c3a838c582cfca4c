// What the writes that take weight from -canary have in common: how much stable can take back now,
// the pods that it lacks, and the command. Which weight goes, and why, is said by the checks.
import type { Incident } from '../api/schema.ts';
import type { Command, RolloutMark } from './model.ts';
import { writeAnyway } from './rollout.ts';
import type { Rollout } from './rollout.ts';
import { stableShare } from './share.ts';
import type { Situation } from './situation.ts';
import { carriedBy, podsForStable } from './situation.ts';

/**
 * The percentage that what -canary selects has to keep, since stable lacks the pods for it; 0 where
 * both services select the same pods, so that the weights move none.
 */
export function leastWeight(s: Situation): number {
  if (s.inCanaryRole === null) return 0;
  const carrier = s.obs.revisions.find(({ revision }) => revision === s.inCanaryRole);
  const share = stableShare({
    available: s.stable?.available ?? outOfSight(s),
    needed: s.policy.replicas,
    current: 100 - s.carried,
    canaryAvailable: carrier?.available ?? 0,
  });
  return 100 - share;
}

/** Pods of a stable whose ReplicaSet is out of sight serve all the same. */
function outOfSight({ obs, inCanaryRole }: Situation): number {
  const { stableService, stableEndpoints } = obs;
  const isApart = stableService?.owned === true && stableService.revision !== inCanaryRole;
  return isApart ? stableEndpoints.ready : 0;
}

/**
 * The percentage that a canary may have at most: that of its step, and until that has its pods, or
 * while it is paused or was edited, no more than the router accepted last.
 */
export function mostWeight(s: Situation, { canary, step, needed }: Rollout): number {
  const { stepStartMs, stepWeight } = canary.record;
  if (stepStartMs !== null) return Math.min(step.weight, stepWeight ?? step.weight);
  const mayBegin = s.pausedBy === null && canary.available >= needed;
  // Where the steps are unknown, nobody can say that a weight is not the running one's.
  if (mayBegin || !s.obs.stepsAreKnown) return step.weight;
  return Math.min(step.weight, stepWeight ?? 0);
}

/** Takes away what stable can carry, without a verdict; nothing while it can carry no more. */
export function takeWeight(s: Situation, mark: RolloutMark): readonly Command[] {
  const target = leastWeight(s);
  const isTooHigh = s.routes.some((route) => carriedBy(route) > target);
  return isTooHigh ? [lower(target, mark, 'none', null), ...completeStable(s)] : [];
}

/** The pods that stable lacks, asked for after the traffic write and in the same pass. */
export function completeStable(s: Situation): readonly Command[] {
  const { stable } = s;
  const needed = podsForStable(s);
  return stable !== null && stable.replicas < needed ? [writeAnyway(stable, {}, needed)] : [];
}

/** Takes traffic away: it pins the names of the routes' backends, not their versions. */
export function lower(
  canaryWeight: number,
  mark: RolloutMark,
  verdict: 'none' | 'rejected',
  incident: Incident | null,
): Command {
  return { kind: 'setWeights', guard: 'lower', canaryWeight, mark, verdict, incident };
}
