// The evidence on the canary read against the policy, signal by signal. Each signal is judged on
// its own: one's absence never hides another's breach. It decides nothing.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { Level } from '../api/schema.ts';
import type { Absence, RevisionEvidence, SignalEvidence } from './evidence.ts';
import { judgeBreach } from './holds.ts';
import type { BreachHold } from './holds.ts';
import { judgePoints, stopsAdvance } from './signals.ts';
import type { JudgedPoint } from './signals.ts';

export interface SignalJudgement {
  readonly signal: ResolvedSignal;
  readonly level: Level;
  /** The level that an advance must answer to. */
  readonly advanceLevel: Level;
  /** The newest point; null without one. */
  readonly latest: JudgedPoint | null;
  /** The points of the range, judged; empty while nobody needed one. */
  readonly history: readonly JudgedPoint[];
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

const empty: Absence = {
  kind: 'noData',
  reason: 'Empty',
  message: 'The metric server has no series of this revision.',
};

/** One judgement for each signal, in their order. */
export function judgeSignals(
  signals: readonly ResolvedSignal[],
  evidence: RevisionEvidence | null,
): readonly SignalJudgement[] {
  return signals.map((signal) =>
    judgeSignal(signal, evidence?.signals[signal.name], evidence?.observedAtMs ?? 0),
  );
}

function judgeSignal(
  signal: ResolvedSignal,
  evidence: SignalEvidence | undefined,
  observedAtMs: number,
): SignalJudgement {
  const nothing = {
    signal,
    level: 'Unknown',
    advanceLevel: 'Unknown',
    latest: null,
    history: [],
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
  const latest = judgePoints(signal, evidence.latest, evidence.windowSeconds).at(-1) ?? null;
  const history =
    evidence.history === null ? [] : judgePoints(signal, evidence.history, evidence.windowSeconds);
  return {
    signal,
    level: latest?.level ?? 'Unknown',
    advanceLevel: latest?.advanceLevel ?? 'Unknown',
    latest,
    history,
    stepSeconds: evidence.stepSeconds,
    breach:
      signal.rollback === null
        ? { state: 'none' }
        : judgeBreach(signal, history, evidence.stepSeconds, observedAtMs),
    absence: latest === null ? empty : latest.absence,
    absentSinceMs: latest === null || latest.absence !== null ? unknownSince(history) : null,
    query: evidence.query,
    observedAtMs,
  };
}

/** Since when every point of the history has been unknown; null when the newest is known. */
function unknownSince(history: readonly JudgedPoint[]): number | null {
  const lastKnown = history.findLastIndex((point) => point.level !== 'Unknown');
  return history[lastKnown + 1]?.timeMs ?? null;
}
