// What the checks of a rollout share: the canary on its way with its running step, the names of
// steps for people, and the plainest writes. It checks nothing.
import type { Check, Finding } from './decision.ts';
import type { Command, RevisionRecord, RevisionView, RouteView } from './model.ts';
import type { RunningStep, Situation } from './situation.ts';
import { podsForStep } from './situation.ts';

export interface Rollout {
  readonly canary: RevisionView;
  readonly stable: RevisionView;
  readonly step: RunningStep;
  /** Pods that the step needs of the canary. */
  readonly needed: number;
}

/** A check that has something to say only while a canary is on its way. */
export function duringRollout(check: (s: Situation, r: Rollout) => Finding | null): Check {
  return (s) => {
    const { canary, stable, step } = s;
    if (!s.canaryActive || canary === null || stable === null || step === null) return null;
    return check(s, { canary, stable, step, needed: podsForStep(s, step.weight) });
  };
}

/**
 * Scales a canary. The progress deadline of pods that are asked for now begins now, unless others
 * are missing already.
 */
export function scale(s: Situation, canary: RevisionView, replicas: number): Command {
  const { available, record } = canary;
  const asksForMore = replicas > canary.replicas && available >= canary.replicas;
  const begins = asksForMore && record.stepStartMs === null;
  return write(canary, begins ? { podsMissingSinceMs: s.obs.nowMs } : {}, replicas);
}

export function stepName({ number, weight, final }: RunningStep, s: Situation): string {
  return final ? 'the bake (100 %)' : `step ${number}/${s.policy.steps.length} (${weight} %)`;
}

/** Who else wrote the weights of a route, for a sentence about them; '' when nobody is known. */
export function otherWriterOf(routes: readonly RouteView[]): string {
  const manager = routes.find(({ otherManager }) => otherManager !== null)?.otherManager ?? null;
  return manager === null ? '' : ` (written by ${manager})`;
}

/** Turns a service of ours, as it was read, to a revision; makes one that is not there. */
export function turnService(s: Situation, role: 'stable' | 'canary', revision: string): Command {
  const known = role === 'stable' ? s.obs.stableService : s.obs.canaryService;
  return { kind: 'applyService', role, revision, resourceVersion: known?.resourceVersion ?? null };
}

/** Writes a revision as it was read: the write fails when somebody else was faster. */
export function write(
  { name, uid, resourceVersion }: RevisionView,
  record: Partial<RevisionRecord>,
  replicas?: number,
): Command {
  const counts = replicas === undefined ? {} : { replicas };
  return { kind: 'writeRevision', name, uid, resourceVersion, record, ...counts };
}

/** Writes a revision whatever became of it meanwhile: a verdict, a role, more pods. */
export function writeAnyway(
  { name, uid }: RevisionView,
  record: Partial<RevisionRecord>,
  replicas?: number,
): Command {
  const counts = replicas === undefined ? {} : { replicas };
  return { kind: 'writeRevision', name, uid, resourceVersion: null, record, ...counts };
}
