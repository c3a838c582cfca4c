// Folds a pass into the status: what was seen, decided and done. Pure; a status that says the same
// as the one before is not written. What must survive a lost status stands elsewhere too.
import { MAX_INCIDENTS, MAX_LAST_ACTIONS, MAX_REJECTED } from '../api/limits.ts';
import { formatValue } from '../api/quantities.ts';
import type {
  Incident,
  LastAction,
  Phase,
  RejectedRevision,
  RoleStatus,
  SignalStatus,
  Status,
} from '../api/schema.ts';
import { conditionsOf } from './conditions.ts';
import type { Decision } from './decision.ts';
import type { SignalJudgement } from './judgement.ts';
import type { Command, Outcome, RevisionView } from './model.ts';
import { attemptOfIncident, incidentsOf } from './situation.ts';
import type { Situation } from './situation.ts';
import { worseOf } from './signals.ts';
import { withinBounds } from './statusBounds.ts';
import { cut, rfc3339 } from './text.ts';

/** The status after a pass. It never exceeds MAX_STATUS_BYTES. */
export function foldStatus(decision: Decision, outcomes: readonly Outcome[]): Status {
  const s = decision.situation;
  const weight = confirmedWeight(s, outcomes);
  const readBack = outcomes.some(
    ({ kind, command }) => kind === 'done' && command.kind === 'readBack',
  );
  const phase: Phase =
    decision.phase === 'RollingBack' && readBack && weight === 0 ? 'RolledBack' : decision.phase;
  const settled: Decision =
    phase === decision.phase ? decision : { ...decision, reason: 'RolledBack', stalled: true };
  const incidents = foldIncidents(s, decision, outcomes, phase);
  return withinBounds({
    observedGeneration: s.obs.object.metadata.generation,
    phase,
    ...(s.stable === null ? {} : { stable: roleStatus(s.stable, 100 - weight) }),
    ...(s.canary === null ? {} : { canary: roleStatus(s.canary, weight) }),
    ...(s.canaryActive && s.canary !== null ? { attempt: s.canary.record.attempt } : {}),
    ...stepStatus(s),
    ...podCounts(s),
    ...foldSignals(s, phase),
    conditions: conditionsOf(s, settled, outcomes, phase),
    ...ifAny('incidents', incidents),
    ...ifAny('rejected', foldRejected(s, decision)),
    ...ifAny('lastActions', foldActions(s, answeredBy(decision, outcomes))),
  });
}

function ifAny<K extends string, T>(key: K, list: readonly T[]): { [P in K]?: readonly T[] } {
  return list.length === 0 ? {} : ({ [key]: list } as { [P in K]: readonly T[] });
}

/** Percent that the routes give to -canary after the pass; what is not known done is as read. */
export function confirmedWeight(s: Situation, outcomes: readonly Outcome[]): number {
  for (const { kind, command } of outcomes) {
    if (kind === 'done' && command.kind === 'setWeights') return command.canaryWeight;
  }
  return Math.min(100, s.carried);
}

function roleStatus(view: RevisionView, weight: number): RoleStatus {
  return {
    revision: view.revision,
    replicaSet: view.name,
    images: cut(view.images.join(', ')),
    replicas: view.replicas,
    // Pods that are to go are no news until they are gone.
    available: Math.min(view.available, view.replicas),
    weight,
  };
}

function stepStatus(s: Situation): Pick<Status, 'step'> {
  const { canary, step } = s;
  if (canary === null || step === null) return {};
  const total = s.policy.steps.length;
  const { stepStartMs } = canary.record;
  return {
    step: {
      current: step.number,
      total,
      label: `${Math.min(step.number, total)}/${total}`,
      ...(stepStartMs === null ? {} : { startedAt: rfc3339(stepStartMs) }),
    },
  };
}

/** At 100 % an HPA counts the new revision's pods alone, before that both revisions'. */
function podCounts(s: Situation): Pick<Status, 'ready' | 'replicas' | 'selector'> {
  const canary = s.canaryActive ? s.canary : null;
  const alone = canary !== null && !stableHasTraffic(s);
  const counted = [alone ? null : s.stable, canary].filter((view) => view !== null);
  const sum = (count: (view: RevisionView) => number): number =>
    counted.reduce((total, view) => total + count(view), 0);
  const labels = Object.entries(s.obs.object.spec.selector.matchLabels).map(
    ([name, value]) => `${name}=${value}`,
  );
  const revisions = counted.map(({ revision }) => revision).toSorted();
  if (revisions.length > 0) labels.push(`pod-template-hash in (${revisions.join(',')})`);
  return {
    ready: `${sum(({ available }) => available)}/${sum(({ replicas }) => replicas)}`,
    replicas: sum(({ current }) => current),
    selector: cut(labels.join(',')),
  };
}

/** By the weights themselves: one route of several, or a thousandth, is traffic as well. */
function stableHasTraffic({ routes, carried }: Situation): boolean {
  return carried < 100 || routes.some(({ pairs }) => pairs.some((pair) => pair.stableWeight > 0));
}

/** A value that changed is no reason to write: an entry is renewed with what it explains. */
function foldSignals(s: Situation, phase: Phase): Pick<Status, 'signals' | 'worstSignal'> {
  if (s.signals.length === 0) return {};
  const before = s.obs.object.status;
  const sameScene =
    before?.phase === phase &&
    before.step?.current === s.step?.number &&
    before.canary?.available === s.canary?.available &&
    before.attempt === s.canary?.record.attempt;
  const signals = s.signals.map((judgement) => {
    const known = before?.signals?.find(({ name }) => name === judgement.signal.name);
    const same = known?.level === judgement.level && known.verdict === verdictOf(judgement);
    if (sameScene && same) return known;
    return signalStatus(judgement, known?.level === judgement.level ? known.since : undefined);
  });
  const worst = signals.reduce((a, b) =>
    a.level !== b.level && worseOf(a.level, b.level) === b.level ? b : a,
  );
  const worstSignal = `${worst.name} ${worst.canary ?? ''} (${worst.level})`.replace('  ', ' ');
  return { signals, worstSignal };
}

function verdictOf({ breach, absence }: SignalJudgement): string {
  if (breach.state === 'held') return 'Held';
  if (breach.state === 'suspect') return 'Suspect';
  return absence?.reason ?? 'Clear';
}

function signalStatus(judgement: SignalJudgement, since: string | undefined): SignalStatus {
  const { signal, level, latest, breach, absence, observedAtMs, boundarySeconds } = judgement;
  const value = latest?.value ?? null;
  const changedMs = breach.state === 'none' ? observedAtMs : breach.sinceMs;
  return {
    name: signal.name,
    level,
    verdict: verdictOf(judgement),
    ...(value === null ? {} : { canary: formatValue(value, signal.unit) }),
    ...(breach.state === 'suspect' ? { holdUntil: rfc3339(breach.holdUntilMs) } : {}),
    ...(absence === null ? {} : { message: cut(absence.message) }),
    ...(boundarySeconds === null ? {} : { boundary: formatValue(boundarySeconds, 'seconds') }),
    ...(observedAtMs === 0
      ? {}
      : { since: since ?? rfc3339(changedMs), observedAt: rfc3339(observedAtMs) }),
  };
}

function foldIncidents(
  s: Situation,
  decision: Decision,
  outcomes: readonly Outcome[],
  phase: Phase,
): readonly Incident[] {
  const known = [...decision.recorded, ...incidentsOf(s.obs)];
  const { incident } = decision;
  if (incident === undefined) return known.slice(0, MAX_INCIDENTS);
  const done = outcomes.filter((outcome) => outcome.kind === 'done');
  const moved = done.find(({ command }) => movesTraffic(command, s));
  const readBack = done.find(({ command }) => command.kind === 'readBack');
  const resolved = phase === 'RolledBack' && incident.resolvedAt === undefined;
  const actions = [
    ...(incident.actions ?? []),
    ...done.flatMap(actionOf),
    ...scaledDown(s, incident),
  ];
  const resolvedMs = readBack?.atMs ?? s.obs.nowMs;
  // Whoever moved the traffic may have died before it could say when; by now it has moved.
  const movedMs = moved?.atMs ?? (resolved ? resolvedMs : undefined);
  const updated: Incident = {
    ...incident,
    ...(movedMs === undefined || incident.trafficRestoredAt !== undefined
      ? {}
      : { trafficRestoredAt: rfc3339(movedMs) }),
    ...(resolved ? { resolvedAt: rfc3339(resolvedMs) } : {}),
    ...ifAny('actions', [...new Set(actions)].slice(0, 16)),
  };
  const others = known.filter(({ id }) => id !== incident.id);
  const place = known.findIndex(({ id }) => id === incident.id);
  return others.toSpliced(Math.max(0, place), 0, updated).slice(0, MAX_INCIDENTS);
}

/** With a router the weights move the traffic, without one the end of the canary's pods. */
function movesTraffic(command: Command, { routed }: Situation): boolean {
  if (routed) return command.kind === 'setWeights';
  return command.kind === 'writeRevision' && command.replicas === 0;
}

/** What an incident's record says was done; repeated passes say it once. */
function actionOf({ command }: Outcome): string[] {
  if (command.kind === 'setWeights') return [`canary weight set to ${command.canaryWeight}`];
  if (command.kind === 'readBack') return ['routes read back'];
  if (command.kind !== 'writeRevision') return [];
  if (command.record.rejected === true) return ['revision rejected'];
  const { name, replicas = 0 } = command;
  return replicas === 0 ? [] : [`${name} scaled to ${replicas}`];
}

/** Read off the revision, so that it comes with the write that shows its replicas. */
function scaledDown({ obs }: Situation, { revision }: Incident): string[] {
  const view = obs.revisions.find((candidate) => candidate.revision === revision);
  return view?.replicas === 0 ? [`${view.name} scaled to 0`] : [];
}

/** A retry begins a higher attempt, which takes the revision off the list. */
function foldRejected(s: Situation, decision: Decision): readonly RejectedRevision[] {
  const kept = (s.obs.object.status?.rejected ?? []).filter(({ revision, incident }) => {
    const view = s.obs.revisions.find((candidate) => candidate.revision === revision);
    return (view?.record.attempt ?? 0) <= attemptOfIncident(incident);
  });
  const { incident } = decision;
  if (incident === undefined || kept.some(({ revision }) => revision === incident.revision)) {
    return kept;
  }
  const { revision, id, detectedAt } = incident;
  return [{ revision, incident: id, at: detectedAt }, ...kept].slice(0, MAX_REJECTED);
}

/** What could not be written is not done, and its action stays open for the next pass. */
function answeredBy({ answered }: Decision, outcomes: readonly Outcome[]): LastAction | undefined {
  const succeeded = outcomes.every(({ kind }) => ['done', 'notYet', 'putOff'].includes(kind));
  return succeeded || answered?.result !== 'Done' ? answered : undefined;
}

function foldActions(s: Situation, answered: LastAction | undefined): readonly LastAction[] {
  const known = s.obs.object.status?.lastActions ?? [];
  if (answered === undefined) return known;
  const place = known.findIndex(({ id }) => id === answered.id);
  const others = known.filter(({ id }) => id !== answered.id);
  return others.toSpliced(Math.max(0, place), 0, answered).slice(0, MAX_LAST_ACTIONS);
}
