// One canary that is watched at a metric server, and what its evidence says of when to look next.
// Pure: the timers are serverPoller.ts's.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { EvidenceTarget, RevisionEvidence, SignalEvidence } from '../core/evidence.ts';
import { judgeSignals } from '../core/judgement.ts';
import type { SignalJudgement } from '../core/judgement.ts';
import type { Cancel } from '../runtime/clock.ts';
import type { Seen } from './look.ts';
import type { ServerSettings } from './port.ts';
import type { Subject } from './questions.ts';
import { gridCeil } from './windows.ts';

/** One canary that is watched. Replaced, not changed, when its attempt or its signals change. */
export interface Watched extends Subject {
  target: EvidenceTarget;
  readonly pods: Set<string>;
  absentSinceMs: Readonly<Record<string, number>>;
  /** The newest look, and the canary's place in it; null before the first. */
  seen: { readonly by: Seen; readonly nth: number } | null;
  /** Names of the signals whose history the next look back is to read. */
  wanted: readonly string[];
  /** What a look back gave: long, of few canaries, and read more than once. */
  history: RevisionEvidence | null;
  /** Server times at which a breach or an absence that lasts becomes a verdict. */
  verdictsMs: readonly number[];
  /** A series that was there has no newest point yet. */
  isLate: boolean;
  /** When that came in, by the operator's clock. */
  arrivedMs: number | null;
  /** Names of the signals whose breach was running at the last look. */
  suspects: readonly string[];
  /** What the listener heard last, so that it hears changes only. */
  told: string;
  /** The look at the end of a hold, and when it is, by the monotonic clock. */
  cancel: Cancel;
  dueMs: number | null;
}

/** A hold's last point may still be on its way. */
const missingPointMs = 1_000;
const nothing: readonly string[] = [];
const never: Watched['absentSinceMs'] = {};

/** Before the first look at it. */
export function newlyWatched(target: EvidenceTarget, signals: readonly ResolvedSignal[]): Watched {
  return {
    target,
    signals,
    pods: new Set(target.canaryPods.map(({ name }) => name)),
    absentSinceMs: never,
    seen: null,
    wanted: nothing,
    history: null,
    verdictsMs: [],
    isLate: false,
    arrivedMs: null,
    suspects: nothing,
    told: '',
    cancel: () => undefined,
    dueMs: null,
  };
}

/** Whether it is judged by queries that users wrote. */
export function hasUserQuery({ signals }: Watched): boolean {
  return signals.some(({ query }) => query !== null);
}

/** Rows name the revisions and the service. */
export function sameNames({ target }: Watched, next: EvidenceTarget): boolean {
  return (
    target.namespace === next.namespace &&
    target.service === next.service &&
    target.canaryReplicaSet === next.canaryReplicaSet &&
    target.stableReplicaSet === next.stableReplicaSet
  );
}

/** A new step changes when to look, not what is asked. */
export function sameQuestion(
  { target, signals }: Watched,
  next: EvidenceTarget,
  nextSignals: readonly ResolvedSignal[],
): boolean {
  return (
    target.namespace === next.namespace &&
    target.canaryReplicaSet === next.canaryReplicaSet &&
    target.attemptStartMs === next.attemptStartMs &&
    (signals === nextSignals || JSON.stringify(signals) === JSON.stringify(nextSignals))
  );
}

/** Names of the signals whose newest points alone can't be judged. */
export function wantedHistory(
  watched: Watched,
  judgements: readonly SignalJudgement[],
): readonly string[] {
  const found = judgements.filter(({ signal, level, absence, breach, mayBreach }) => {
    if (absence !== null && signal.noData === 'Rollback') return true;
    if (signal.rollback === null) return false;
    if (level === 'Breach' || breach.state === 'suspect' || mayBreach) return true;
    // Two moments alone can't tell a failure from a counter that was there before.
    if (signal.kind === 'pqcHandshakeFailures' && level === 'Critical') return true;
    // An unknown point does not end a breach.
    return absence !== null && watched.suspects.includes(signal.name);
  });
  return found.length === 0 ? nothing : found.map(({ signal }) => signal.name);
}

/** Of one whose hold is over, all of them. */
export function namesOf({ signals }: Watched): readonly string[] {
  return signals.map(({ name }) => name);
}

export function evidenceOn(watched: Watched): RevisionEvidence | null {
  if (watched.history !== null) return watched.history;
  return watched.seen?.by.evidenceOn(watched.seen.nth, watched) ?? null;
}

/** Judged again where it is needed: a fleet's judgements are megabytes. */
export function judge(watched: Watched): readonly SignalJudgement[] {
  const evidence = evidenceOn(watched);
  return evidence === null ? [] : judgeSignals(watched.signals, evidence, null);
}

export function absencesIn({ signals }: RevisionEvidence): Watched['absentSinceMs'] {
  let found: Record<string, number> | null = null;
  for (const name in signals) {
    const evidence = signals[name];
    if (evidence?.state === 'absent') (found ??= {})[name] = evidence.sinceMs;
  }
  return found ?? never;
}

export function suspectsOf(judgements: readonly SignalJudgement[]): readonly string[] {
  const found = judgements.filter(({ breach }) => breach.state === 'suspect');
  return found.length === 0 ? nothing : found.map(({ signal }) => signal.name);
}

/** Nothing changes while it lasts, and yet it becomes a verdict. */
export function isAbsenceHeldAgainst({ signal, absence }: SignalJudgement): boolean {
  return signal.noData === 'Rollback' && absence !== null;
}

/** Server times at which something can become a verdict, if it lasts. */
export function verdictsIn(
  { target }: Watched,
  judgements: readonly SignalJudgement[],
): readonly number[] {
  return judgements.flatMap((judgement) => [
    ...(judgement.breach.state === 'suspect' ? [judgement.breach.holdUntilMs] : []),
    ...absenceEnds(target, judgement),
  ]);
}

/** When an absence that is held against the canary becomes a verdict, if it lasts. */
function absenceEnds(
  { attemptStartMs, stepStartMs }: EvidenceTarget,
  judgement: SignalJudgement,
): readonly number[] {
  if (stepStartMs === null || !isAbsenceHeldAgainst(judgement)) return [];
  const sinceMs = Math.max(judgement.absentSinceMs ?? attemptStartMs, stepStartMs);
  return [sinceMs + judgement.signal.forSeconds * 1000];
}

/** A verdict is due: its pass goes ahead of all others. */
export function isVerdictDue(
  { target }: Watched,
  judgements: readonly SignalJudgement[],
  atMs: number,
): boolean {
  return judgements.some(
    (judgement) =>
      judgement.breach.state === 'held' ||
      absenceEnds(target, judgement).some((endMs) => endMs <= atMs),
  );
}

/** Most signals' series are not there, and are not waited for. */
export function isLate(judgements: readonly SignalJudgement[]): boolean {
  return judgements.some(
    ({ absence, history }) => absence?.reason === 'Empty' && history.length > 0,
  );
}

/** Server times at which to look, whatever a poll sees: the end of the step's hold as well. */
function momentsOf({ target, verdictsMs }: Watched): readonly number[] {
  const { stepStartMs, stepHoldSeconds } = target;
  return stepStartMs === null ? verdictsMs : [stepStartMs + stepHoldSeconds * 1000, ...verdictsMs];
}

/** How long until the next of them is to be looked at; null when there is none. */
export function waitMs(
  watched: Watched,
  { scrapeIntervalMs, lagMs }: ServerSettings,
  nowMs: number,
): number | null {
  const { seen, isLate: isWaitedFor } = watched;
  if (seen === null) return null;
  const waits = momentsOf(watched).flatMap((ms) => {
    const momentMs = gridCeil(ms, scrapeIntervalMs);
    if (momentMs > seen.by.atMs) return [momentMs + lagMs - nowMs];
    const isOver = nowMs > momentMs + lagMs + scrapeIntervalMs;
    return isWaitedFor && !isOver ? [missingPointMs] : [];
  });
  return waits.length === 0 ? null : Math.max(0, Math.min(...waits));
}

/** The next evidence says of the newest points alone what was known of a whole hold. */
export function losesHistory(before: RevisionEvidence | null, next: RevisionEvidence): boolean {
  return Object.entries(before?.signals ?? {}).some(([name, evidence]) => {
    const now = next.signals[name];
    return isOfRange(evidence) && now?.state === 'known' && now.history === null;
  });
}

export function hasHistory({ signals }: RevisionEvidence): boolean {
  return Object.values(signals).some(isOfRange);
}

function isOfRange(evidence: SignalEvidence): boolean {
  return evidence.state === 'known' && evidence.history !== null;
}

/** What a pass would see differently; values alone are no reason for one. */
export function fingerprint(judgements: readonly SignalJudgement[]): string {
  let text = '';
  for (const { level, advanceLevel, breach, absence } of judgements) {
    text += `${level} ${advanceLevel} ${breach.state} ${absence?.reason ?? ''};`;
  }
  return text;
}
