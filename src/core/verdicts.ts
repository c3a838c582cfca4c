// What the evidence comes to: the verdicts against a canary, each on its own evidence, as the
// incident that records it. Whether a verdict rolls back or is only written down is not said here.
import type { Incident } from '../api/schema.ts';
import {
  incidentOfAbsence,
  incidentOfBreach,
  incidentOfPods,
  incidentOfShared,
} from './incident.ts';
import { judgePods } from './podHealth.ts';
import type { Situation } from './situation.ts';
import { incidentsOf, podsForStep } from './situation.ts';

/** The canary's own pods failed. */
export function podsFailed(s: Situation): Incident | null {
  if (!s.canaryActive || s.canary === null || s.step === null) return null;
  // Without stable nothing scales it.
  const counts = s.pausedBy === null && s.obs.stepsAreKnown && s.stable !== null;
  const deadline = counts ? s.policy.progressDeadlineSeconds : Infinity;
  const verdict = judgePods(s.canary, podsForStep(s, s.step.weight), deadline, s.obs.nowMs);
  if (verdict.state !== 'failed') return null;
  return incidentOfPods(s.canary, verdict.failure, s.obs.nowMs);
}

/** A rollback limit was exceeded for its whole hold, whatever the other signals say. */
export function limitHeld(s: Situation): Incident | null {
  return limitsHeld(s)[0] ?? null;
}

function limitsHeld(s: Situation): readonly Incident[] {
  const found: Incident[] = [];
  if (!s.canaryActive || s.canary === null) return found;
  for (const judgement of s.signals) {
    if (judgement.breach.state !== 'held') continue;
    found.push(incidentOfBreach(s.canary, judgement, judgement.breach, s.obs.nowMs));
  }
  return found;
}

/** A signal had no evidence for its hold, and the object asks for a rollback then. */
export function absenceHeld(s: Situation): Incident | null {
  if (!s.canaryActive || s.canary === null) return null;
  const { stepStartMs } = s.canary.record;
  if (stepStartMs === null) return null;
  for (const judgement of s.signals) {
    const { signal, absentSinceMs } = judgement;
    if (signal.noData !== 'Rollback' || judgement.absence === null || absentSinceMs === null)
      continue;
    const sinceMs = Math.max(absentSinceMs, stepStartMs);
    if (s.obs.metricsNowMs < sinceMs + signal.forSeconds * 1000) continue;
    return incidentOfAbsence(s.canary, judgement, sinceMs, s.obs.nowMs);
  }
  return null;
}

/**
 * A fallback to classical cryptography that stable reports as well: a security incident of both,
 * which stops the advance and rolls nothing back.
 */
function sharedFallback(s: Situation): readonly Incident[] {
  const shared = s.signals.find(
    ({ signal, latest, level }) =>
      signal.kind === 'pqcFallback' &&
      level === 'Critical' &&
      (latest?.value ?? 0) > (signal.rollback ?? Infinity),
  );
  if (shared === undefined || s.canary === null) return [];
  const { revision } = s.canary;
  const incident = incidentOfShared(s.canary, shared, s.obs.nowMs);
  return [{ ...incident, id: `${incident.id}-shared`, summary: sharedSummary(revision) }];
}

function sharedSummary(revision: string): string {
  return (
    `Security incident: pods of revision ${revision} and of stable report a fallback to ` +
    `classical cryptography. Nothing is rolled back, since stable has it too, nor advances.`
  );
}

/** Incidents that are written down and lead to no rollback, unless they are known already. */
export function recordedIncidents(s: Situation): readonly Incident[] {
  const known = new Set(incidentsOf(s.obs).map(({ id }) => id));
  const all = [...sharedFallback(s), ...observedIncidents(s)];
  return all.filter(({ id }, i) => !known.has(id) && all.findIndex((one) => one.id === id) === i);
}

/**
 * What Observe writes down instead of rolling back: one incident a revision, attempt and alert.
 */
function observedIncidents(s: Situation): readonly Incident[] {
  if (!s.policy.observeOnly) return [];
  const found = [podsFailed(s), ...limitsHeld(s), absenceHeld(s)].filter((each) => each !== null);
  return found.map((incident) => ({
    ...incident,
    id: `${incident.id}-observed-${incident.alert}`,
    summary: `Observed only, nothing was done; it would have been rolled back. ${incident.summary}`,
  }));
}
