// The evidence on the canary read against the policy, signal by signal. Each signal is judged on
// its own: one's absence never hides another's breach. It decides nothing.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Level } from '../api/schema.ts';
import type { Absence, RevisionEvidence, SignalEvidence } from './evidence.ts';
import { judgeBreach } from './holds.ts';
import type { BreachHold } from './holds.ts';
import { judgeHistory } from './lowTraffic.ts';
import type { RevisionView } from './model.ts';
import { judgeAvailability, podSeries } from './podSignals.ts';
import { boundaryOf, judgePoints, plainPoint, stopsAdvance } from './signals.ts';
import type { JudgedPoint } from './signals.ts';

export interface SignalJudgement {
  readonly signal: ResolvedSignal;
  /** Of a latency: the histogram's boundary that stands for the rollback limit, in seconds. */
  readonly boundarySeconds: number | null;
  readonly level: Level;
  /** The level that an advance must answer to. */
  readonly advanceLevel: Level;
  /** The newest point; null without one. */
  readonly latest: JudgedPoint | null;
  /** The points of the range, judged; empty while nobody needed one. */
  readonly history: readonly JudgedPoint[];
  /** Whether that reaches as far back as the holds, and not to the newest points alone. */
  readonly isWhole: boolean;
  /** The newest requests are too few to say so, but what there is exceeds the rollback limit. */
  readonly mayBreach: boolean;
  readonly stepSeconds: number;
  readonly breach: BreachHold;
  readonly absence: Absence | null;
  readonly absentSinceMs: number | null;
  readonly query: string;
  readonly observedAtMs: number;
}

/** Beyond critical, or a breach on its way to a verdict: nothing advances meanwhile. */
export function isCritical({ advanceLevel, breach }: SignalJudgement): boolean {
  return stopsAdvance(advanceLevel) || breach.state === 'suspect';
}

const notYetAsked: Absence = {
  kind: 'noData',
  reason: 'NotYetAsked',
  message: 'The metric server has not been asked yet.',
};

function empty(lookedFor: string): Absence {
  const message = `The metric server has no series of this revision; looked for ${lookedFor}.`;
  return { kind: 'noData', reason: 'Empty', message };
}

/** What the pods' own conditions tell, of the running step. */
export interface PodFacts {
  readonly canary: RevisionView;
  /** Pods that the step needs of it. */
  readonly needed: number;
  /** By the operator's clock. */
  readonly nowMs: number;
}

/** One judgement for each signal, in their order. */
export function judgeSignals(
  signals: readonly ResolvedSignal[],
  evidence: RevisionEvidence | null,
  pods: PodFacts | null,
): readonly SignalJudgement[] {
  const attemptStartMs = pods?.canary.record.attemptStartMs ?? null;
  const observedAtMs = evidence?.observedAtMs ?? 0;
  return signals.map((signal) =>
    signal.kind === 'availability'
      ? judgePodsUp(signal, pods)
      : judgeSignal(signal, evidence?.signals[signal.name], { observedAtMs, attemptStartMs }),
  );
}

/** The pods' conditions are no range of points: their newest change stands for one. */
function judgePodsUp(signal: ResolvedSignal, pods: PodFacts | null): SignalJudgement {
  const found =
    pods === null ? null : judgeAvailability(signal, pods.canary, pods.needed, pods.nowMs);
  const nowMs = pods?.nowMs ?? 0;
  const back = found?.criticalUntilMs ?? null;
  const history = back === null ? [] : [plainPoint(back, 'Critical', 0)];
  return {
    signal,
    boundarySeconds: null,
    level: found?.point.level ?? 'Unknown',
    advanceLevel: found?.point.level ?? 'Unknown',
    latest: found?.point ?? null,
    history: found === null ? [] : [...history, found.point],
    isWhole: true,
    mayBreach: false,
    stepSeconds: 1,
    breach: found?.breach ?? { state: 'none' },
    absence: null,
    absentSinceMs: null,
    query: '',
    observedAtMs: nowMs,
  };
}

interface Times {
  readonly observedAtMs: number;
  /** No point can be older; null where nobody knows. */
  readonly attemptStartMs: number | null;
}

function judgeSignal(
  signal: ResolvedSignal,
  evidence: SignalEvidence | undefined,
  { observedAtMs, attemptStartMs }: Times,
): SignalJudgement {
  const nothing = {
    signal,
    boundarySeconds: null,
    level: 'Unknown',
    advanceLevel: 'Unknown',
    latest: null,
    history: [],
    isWhole: true,
    mayBreach: false,
    stepSeconds: 1,
    breach: { state: 'none' },
    observedAtMs,
  } as const;
  if (evidence === undefined) {
    return { ...nothing, absence: notYetAsked, absentSinceMs: null, query: '' };
  }
  if (evidence.state === 'absent') {
    const { absence, sinceMs, query } = evidence;
    return { ...nothing, absence, absentSinceMs: sinceMs, query };
  }
  const { windowSeconds, stepSeconds } = evidence;
  const grid = { windowSeconds, stepSeconds, nowMs: observedAtMs };
  const history = evidence.history === null ? [] : judgeHistory(signal, evidence.history, grid);
  const latest = newestOf(signal, evidence, history);
  return {
    signal,
    boundarySeconds: boundaryOf(signal, evidence.latest),
    level: latest?.level ?? 'Unknown',
    advanceLevel: latest?.advanceLevel ?? 'Unknown',
    latest,
    history,
    isWhole: evidence.isWhole,
    mayBreach: latest?.absence?.reason === 'TooFewRequests' && exceedsByFew(signal, evidence),
    stepSeconds,
    breach: breachOf(signal, evidence, history, observedAtMs),
    absence: latest === null ? empty(evidence.lookedFor) : latest.absence,
    absentSinceMs:
      evidence.history !== null && (latest === null || latest.absence !== null)
        ? absentSince(history, attemptStartMs)
        : null,
    query: evidence.query,
    observedAtMs,
  };
}

type Known = Extract<SignalEvidence, { state: 'known' }>;

/** Too few in its own window, it may be known by the history's wider ones. */
function newestOf(
  signal: ResolvedSignal,
  { latest, windowSeconds }: Known,
  history: readonly JudgedPoint[],
): JudgedPoint | null {
  const own = judgePoints(signal, latest, windowSeconds).at(-1) ?? null;
  if (own?.absence?.reason !== 'TooFewRequests') return own;
  return history.findLast(({ timeMs, absence }) => timeMs === own.timeMs && !absence) ?? own;
}

/** In a window without end no number of requests is too few. */
function exceedsByFew(signal: ResolvedSignal, { latest }: Known): boolean {
  return judgePoints(signal, latest, Infinity).at(-1)?.level === 'Breach';
}

function breachOf(
  signal: ResolvedSignal,
  evidence: Known,
  history: readonly JudgedPoint[],
  nowMs: number,
): BreachHold {
  if (signal.rollback === null || evidence.history === null) return { state: 'none' };
  if (signal.kind === 'pqcHandshakeFailures') return countedBreach(history);
  const series =
    evidence.history.kind === 'pods' ? podSeries(signal, evidence.history.points) : [history];
  const breaches = series.map((points) => judgeBreach(signal, points, evidence.stepSeconds, nowMs));
  return (
    breaches.find(({ state }) => state === 'held') ??
    breaches.find(({ state }) => state === 'suspect') ?? { state: 'none' }
  );
}

/** So many within the window are the verdict: nothing has to hold. */
function countedBreach(history: readonly JudgedPoint[]): BreachHold {
  const newest = history.at(-1);
  if (newest?.level !== 'Breach') return { state: 'none' };
  const first = history.findLastIndex(({ value }) => value === 0) + 1;
  const points = history.slice(first);
  const sinceMs = points[0]?.timeMs ?? newest.timeMs;
  const heldSeconds = (newest.timeMs - sinceMs) / 1000;
  return { state: 'held', sinceMs, heldSeconds, requests: null, points };
}

/**
 * Since when no point has been known: from the first unknown one after the last that was known, or
 * from that itself where none came after it; without any point, from the attempt's start.
 */
function absentSince(
  history: readonly JudgedPoint[],
  attemptStartMs: number | null,
): number | null {
  const lastKnown = history.findLastIndex((point) => point.level !== 'Unknown');
  return (history[lastKnown + 1] ?? history[lastKnown])?.timeMs ?? attemptStartMs;
}
