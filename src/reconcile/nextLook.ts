// When a pass asks for the next one, and how urgently. It starts none.
import type { Decision } from '../core/decision.ts';
import type { Command, Observation, Outcome } from '../core/model.ts';
import { confirmedWeight } from '../core/status.ts';
import type { ObjectMemory } from './memory.ts';

/** What the queue does next with the key. */
export interface PassResult {
  readonly result: 'done' | 'conflict' | 'failed';
  /** Look again after so many ms; null: when something happens. 0 means at once. */
  readonly lookAgainMs: number | null;
  /** Traffic is being taken away: the next look goes ahead of everything. */
  readonly urgent: boolean;
}

/** What became of the status. */
export type Written =
  | { readonly kind: 'done' }
  /** The object has it already. */
  | { readonly kind: 'same' }
  /** It is not for this pass to write. */
  | { readonly kind: 'later' }
  | { readonly kind: 'conflict' }
  /** `reason` as of a failed write in kube/port.ts. */
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

/** A pass at its end. */
export interface Ended {
  readonly obs: Observation;
  readonly decision: Decision;
  readonly outcomes: readonly Outcome[];
  readonly written: Written;
  readonly memory: ObjectMemory;
}

/** The caches need a moment to see who wrote first; twice as long each time that they did not. */
const conflictMs = 50;
const longestConflictMs = 5_000;
/** A person's correction outside the watches (a Service made) is seen after this long. */
const stalledLookMs = 30_000;
const missingServiceLookMs = 5_000;

export function nextLook(ended: Ended): PassResult {
  const { decision, outcomes, written, memory } = ended;
  const { situation } = decision;
  const takesAway = situation.carried > 0 && decision.commands.some(takesTrafficAway);
  const urgent = decision.phase === 'RollingBack' || takesAway;
  // The back-off of the queue does not stand between a verdict and the routes (I4).
  if (outcomes.some(({ kind }) => kind === 'failed')) {
    return { result: 'failed', lookAgainMs: urgent ? memory.noteVerdictFailure() : null, urgent };
  }
  const conflict = outcomes.some(({ kind }) => kind === 'conflict');
  // Somebody who writes the status all the time is answered more and more slowly, save in the
  // middle of a rollback (I4).
  if (written.kind === 'conflict' && !conflict && !urgent) {
    return { result: 'failed', lookAgainMs: null, urgent };
  }
  if (conflict || written.kind === 'conflict') {
    const isAtOnce = urgent && (conflict || situation.carried > 0);
    const lookAgainMs = isAtOnce ? conflictMs : conflictMs * 2 ** memory.conflicts++;
    return { result: 'conflict', lookAgainMs: Math.min(lookAgainMs, longestConflictMs), urgent };
  }
  memory.conflicts = 0;
  const goesOn = outcomes.some(
    (outcome) => outcome.kind === 'refused' || (outcome.kind === 'done' && outcome.changed),
  );
  const waits = waitsOf(ended);
  if (written.kind === 'failed') {
    if (urgent && confirmedWeight(situation, outcomes) > 0) {
      return { result: 'failed', lookAgainMs: memory.noteVerdictFailure(), urgent };
    }
    memory.noteVerdict();
    const lookAgainMs = Math.min(memory.noteStatusFailure(goesOn), ...waits);
    return { result: 'failed', lookAgainMs, urgent: false };
  }
  memory.noteVerdict();
  if (goesOn) return { result: 'done', lookAgainMs: 0, urgent };
  return { result: 'done', lookAgainMs: waits.length === 0 ? null : Math.min(...waits), urgent };
}

/** In ms, what the decision and its outcomes wait for. */
function waitsOf({ obs, decision, outcomes, written, memory }: Ended): readonly number[] {
  const due = decision.lookAgainAtMs;
  const waits = due === undefined ? [] : [Math.max(0, due - obs.nowMs)];
  if (decision.stalled === true && decision.phase !== 'RolledBack') {
    waits.push(decision.reason === 'ServiceMissing' ? missingServiceLookMs : stalledLookMs);
  }
  if (outcomes.some(({ kind }) => kind === 'putOff')) {
    waits.push(memory.handBackNotBeforeMs - obs.nowMs);
  }
  // What a readBack did not show yet needs a moment, not an event.
  if (outcomes.some(({ kind }) => kind === 'notYet')) waits.push(1_000);
  // An action that was answered is carried out in the next pass.
  if (written.kind === 'done' && decision.answered?.result === 'Accepted') waits.push(0);
  return waits;
}

function takesTrafficAway(command: Command): boolean {
  const { kind } = command;
  return kind === 'releaseRoutes' || (kind === 'setWeights' && command.guard === 'lower');
}
