// What a run of the demo leaves behind, for the chart. Shapes only.
import type { Incident } from '../../src/api/schema.ts';

/** The rollout at one moment, as the view shows it. */
export interface Moment {
  /** Since the new template was applied. */
  readonly seconds: number;
  readonly phase: string;
  readonly reason: string;
  /** Percent of the traffic that the canary gets. */
  readonly weight: number;
  /** Share of the canary's requests of the last two seconds that failed; null: none came. */
  readonly errorRatio: number | null;
  readonly level: string;
  /** How long a breach has been running, and how long it must; null while there is none. */
  readonly hold: { readonly seconds: number; readonly of: number } | null;
}

export interface DemoRecord {
  /** When the new template was applied. */
  readonly beganAt: string;
  readonly moments: readonly Moment[];
  readonly incident: Incident;
}
