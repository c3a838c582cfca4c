// What is to do beside the decision, once that wants nothing written: services that are gone,
// stable's role and size, notes of missing pods, the drain of revisions without traffic, the end of
// ReplicaSets that nobody needs any more, and a pause that a verdict would hide.
import { previousStable } from './actions.ts';
import { serviceIsClaimed, userServiceIsMissing } from './blockers.ts';
import type { Command, RevisionRecord, RevisionView, TimeMs } from './model.ts';
import { orderedPause } from './orders.ts';
import { stableCarries } from './podShares.ts';
import { write } from './rollout.ts';
import { missingServices } from './settle.ts';
import type { Situation } from './situation.ts';
import { becomesStable, lacksPods, podsForStable, podsForStep } from './situation.ts';

export interface Housekeeping {
  readonly commands: readonly Command[];
  readonly lookAgainAtMs: TimeMs | null;
}

/** A revision is left over when it is neither stable nor the canary that is on its way. */
export function keepHouse(s: Situation): Housekeeping {
  const comingBack = s.stable?.record.rejected === true ? previousStable(s) : null;
  const leftOver = s.obs.revisions.filter(
    (revision) =>
      !revision.deleting &&
      revision !== s.stable &&
      revision !== comingBack &&
      !isActiveCanary(s, revision),
  );
  const drains = leftOver.map((revision) => drain(s, revision));
  const due = drains.flatMap(({ lookAgainAtMs }) => lookAgainAtMs ?? []);
  return {
    commands: [
      ...mendServices(s),
      ...keepStable(s),
      ...noteMissingPods(s),
      ...drains.flatMap(({ commands }) => commands),
      ...forget(s, leftOver),
      // A standing verdict comes before the check for a pause, and yet stops no pause.
      ...orderedPause(s).map(({ command }) => command),
    ],
    lookAgainAtMs: due.length === 0 ? null : Math.min(...due),
  };
}

function isActiveCanary(s: Situation, revision: RevisionView): boolean {
  return s.canaryActive && revision === s.canary;
}

/** A decision that comes before the check for it, as a standing verdict, hides no lost service. */
function mendServices(s: Situation): readonly Command[] {
  const isBlocked = serviceIsClaimed(s) !== null || userServiceIsMissing(s) !== null;
  // One that could not be read has no ports to give.
  return isBlocked || s.obs.userService === null ? [] : missingServices(s);
}

function keepStable(s: Situation): Command[] {
  const { stable } = s;
  if (stable === null) return [];
  const { role, drainingSinceMs, promotedMs } = stable.record;
  // A promotion that was cut short after the service has turned left no more than that.
  const isUnwritten = role !== 'stable' || promotedMs === null;
  const misnamed = isUnwritten || drainingSinceMs !== null;
  const promoted = isUnwritten ? becomesStable(s.obs.nowMs) : {};
  const record = misnamed ? { ...promoted, drainingSinceMs: null } : {};
  // Without a router the steps themselves set how many pods stable has.
  const replicas = s.routed || !s.canaryActive ? podsForStable(s) : stable.replicas;
  if (!misnamed && replicas === stable.replicas) return [];
  return [write(stable, record, replicas === stable.replicas ? undefined : replicas)];
}

/** When pods went missing is written down, since the pods that tell it may be replaced. */
function noteMissingPods(s: Situation): Command[] {
  if (!s.canaryActive || s.canary === null) return [];
  const record = { ...deadlineNote(s, s.canary), ...downNote(s, s.canary) };
  return Object.keys(record).length === 0 ? [] : [write(s.canary, record)];
}

/** A step that had its pods has kept the deadline, whatever keeps its weight back. */
function deadlineNote(s: Situation, canary: RevisionView): Partial<RevisionRecord> {
  const { podsMissingSinceMs, stepStartMs } = canary.record;
  if (s.step === null || stepStartMs !== null || !s.obs.stepsAreKnown) return {};
  const lacks = lacksPods(canary, podsForStep(s, s.step.weight));
  return lacks === (podsMissingSinceMs !== null)
    ? {}
    : { podsMissingSinceMs: lacks ? s.obs.nowMs : null };
}

function downNote(s: Situation, { record, available }: RevisionView): Partial<RevisionRecord> {
  if (available > 0) return record.downSinceMs === null ? {} : { downSinceMs: null };
  const breach = s.signals.find(({ signal }) => signal.kind === 'availability')?.breach;
  if (record.downSinceMs !== null || breach?.state !== 'suspect') return {};
  return { downSinceMs: breach.sinceMs };
}

function drain(
  s: Situation,
  view: RevisionView,
): { readonly commands: readonly Command[]; readonly lookAgainAtMs: TimeMs | null } {
  const nothing = { commands: [], lookAgainAtMs: null };
  const { role, drainingSinceMs } = view.record;
  if (view.replicas === 0) {
    return role === null ? nothing : { ...nothing, commands: [write(view, { role: null })] };
  }
  if (!s.routed) {
    return stableCarries(s, view)
      ? { ...nothing, commands: [write(view, { role: null }, 0)] }
      : nothing;
  }
  if (isInTraffic(s, view)) return nothing;
  if (drainingSinceMs === null) {
    const start = write(view, { role: null, drainingSinceMs: s.obs.nowMs });
    // While a newer canary has weight, the routes can't be read back at 0; this revision's own
    // weight was, before -canary turned away from it.
    const commands: Command[] = s.carried === 0 ? [{ kind: 'readBack' }, start] : [start];
    return { ...nothing, commands };
  }
  const endMs = drainingSinceMs + s.policy.drainDelaySeconds * 1000;
  if (s.obs.nowMs < endMs) return { ...nothing, lookAgainAtMs: endMs };
  return { ...nothing, commands: [write(view, {}, 0)] };
}

/** Selected by a service of ours, or still behind the endpoints of one. */
function isInTraffic(s: Situation, view: RevisionView): boolean {
  const { stableService, canaryService, stableEndpoints, canaryEndpoints } = s.obs;
  const selected = [stableService?.revision, canaryService?.revision].includes(view.revision);
  const own = new Set(view.pods.map(({ name }) => name));
  const behind = [...stableEndpoints.pods, ...canaryEndpoints.pods].some((pod) => own.has(pod));
  return selected || behind;
}

/** The oldest empty ReplicaSets beyond revisionHistoryLimit go, the desired one never. */
function forget(s: Situation, leftOver: readonly RevisionView[]): Command[] {
  return leftOver
    .filter(
      ({ replicas, current, revision }) =>
        replicas === 0 && current === 0 && revision !== s.obs.desired.revision,
    )
    .toSorted((a, b) => b.createdAtMs - a.createdAtMs)
    .slice(s.policy.revisionHistoryLimit)
    .map(({ name, uid, resourceVersion }) => ({
      kind: 'deleteReplicaSet',
      name,
      uid,
      resourceVersion,
    }));
}
