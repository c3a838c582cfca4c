// What one pass decided: the check that decided it, the phase with its reason, and the commands in
// order. Shapes only.
import type { Reason } from '../api/reasons.ts';
import type { Incident, LastAction, Phase } from '../api/schema.ts';
import type { EvidenceTarget } from './evidence.ts';
import type { Command, TimeMs } from './model.ts';
import type { Situation } from './situation.ts';

/** What a check says when it decides the pass. */
export interface Finding {
  readonly phase: Phase;
  readonly reason: Reason;
  readonly message: string;
  readonly commands: readonly Command[];
  /** A person must act: kstatus reads it as failed. */
  readonly stalled?: boolean;
  /** The verdict that this pass takes or carries on with. */
  readonly incident?: Incident;
  /** The action that this finding answers, as it will stand in status.lastActions. */
  readonly answered?: LastAction;
  /** When to look again at the latest, if nothing happens before. */
  readonly lookAgainAtMs?: TimeMs;
}

/** A named question to the situation; null when it has nothing to say. */
export type Check = (s: Situation) => Finding | null;

export interface Decision extends Finding {
  /** What it was decided upon. */
  readonly situation: Situation;
  /** Incidents that are written down and nothing else. */
  readonly recorded: readonly Incident[];
  /** The name of the check that decided. */
  readonly check: string;
  /** What the poller shall look at until the next decision; null: nothing. */
  readonly watch: EvidenceTarget | null;
}
