// The record of a verdict: what, when, which revision, which values. It is written once, rides on
// the traffic patch, and stands in the status; here it is only put together.
import { formatDuration, formatValue } from '../api/quantities.ts';
import { MAX_EVIDENCE_SAMPLES } from '../api/limits.ts';
import type { EvidenceSample, Incident } from '../api/schema.ts';
import type { BreachHold } from './holds.ts';
import type { SignalJudgement } from './judgement.ts';
import type { RevisionView, TimeMs } from './model.ts';
import type { PodFailure } from './podHealth.ts';
import type { JudgedPoint } from './signals.ts';
import { incidentId } from './situation.ts';
import { cut, rfc3339 } from './text.ts';

function basis(
  canary: RevisionView,
  nowMs: TimeMs,
): Pick<Incident, 'id' | 'revision' | 'images' | 'detectedAt'> {
  return {
    id: incidentId(canary.revision, canary.record.attempt),
    revision: canary.revision,
    images: cut(canary.images.join(', ')),
    detectedAt: rfc3339(nowMs),
  };
}

/** The incident of a rollback limit that held. */
export function incidentOfBreach(
  canary: RevisionView,
  judgement: SignalJudgement,
  held: Extract<BreachHold, { state: 'held' }>,
  nowMs: TimeMs,
): Incident {
  const { signal, latest, query } = judgement;
  const side = signal.direction === 'above' ? '>' : '<';
  const show = (value: number | null | undefined): string =>
    value === null || value === undefined ? 'unknown' : formatValue(value, signal.unit);
  const value = show(latest?.value ?? held.points.at(-1)?.value);
  // So many failures within the time are the verdict; all other breaches must hold for it.
  const isCounted = signal.kind === 'pqcHandshakeFailures';
  const time = `${isCounted ? 'within' : 'for'} ${formatDuration(signal.forSeconds)}`;
  const limit = `${side} ${show(signal.rollback)} ${time}`;
  const heldFor = formatDuration(held.heldSeconds);
  return {
    ...basis(canary, nowMs),
    alert: signal.alert,
    severity: 'Critical',
    signal: signal.name,
    value,
    limit,
    heldFor,
    query: cut(query),
    evidence: samplesOf(held.points, show),
    startedAt: rfc3339(held.sinceMs),
    summary: cut(
      `${signal.name} of revision ${canary.revision} was ${value}, beyond ${limit}: ` +
        `${isCounted ? 'counted' : `held for ${heldFor}`} since ${rfc3339(held.sinceMs)}.`,
    ),
  };
}

/** At most so many samples, spread evenly, the first and the last among them. */
function samplesOf(
  points: readonly JudgedPoint[],
  show: (value: number | null) => string,
): EvidenceSample[] {
  const stride = Math.max(1, (points.length - 1) / (MAX_EVIDENCE_SAMPLES - 1));
  const samples: EvidenceSample[] = [];
  for (let i = 0; Math.round(i) < points.length; i += stride) {
    const point = points[Math.round(i)];
    if (point !== undefined) samples.push({ at: rfc3339(point.timeMs), value: show(point.value) });
  }
  return samples;
}

/** The incident of a signal that stable shows as well; its summary is the caller's. */
export function incidentOfShared(
  canary: RevisionView,
  { signal, latest, query }: SignalJudgement,
  nowMs: TimeMs,
): Omit<Incident, 'summary'> {
  const value = latest?.value ?? null;
  return {
    ...basis(canary, nowMs),
    alert: signal.alert,
    severity: 'Critical',
    signal: signal.name,
    ...(value === null ? {} : { value: formatValue(value, signal.unit) }),
    query: cut(query),
  };
}

/** The incident of a canary whose own pods failed. */
export function incidentOfPods(canary: RevisionView, failure: PodFailure, nowMs: TimeMs): Incident {
  return {
    ...basis(canary, nowMs),
    alert: failure.alert,
    severity: 'Critical',
    signal: 'pods',
    value: cut(failure.value),
    limit: failure.limit,
    heldFor: formatDuration(Math.max(0, nowMs - failure.sinceMs) / 1000),
    startedAt: rfc3339(failure.sinceMs),
    summary: cut(`Pods of revision ${canary.revision} failed: ${failure.value}.`),
  };
}

/** The incident of an absence for which the object asks to roll back (`noData: Rollback`). */
export function incidentOfAbsence(
  canary: RevisionView,
  judgement: SignalJudgement,
  sinceMs: TimeMs,
  nowMs: TimeMs,
): Incident {
  const { signal, absence, query } = judgement;
  const reason = absence?.reason ?? 'Empty';
  return {
    ...basis(canary, nowMs),
    alert: signal.alert,
    severity: 'Critical',
    signal: signal.name,
    value: reason,
    limit: `evidence within ${formatDuration(signal.forSeconds)} (noData: Rollback)`,
    heldFor: formatDuration(Math.max(0, nowMs - sinceMs) / 1000),
    query: cut(query),
    startedAt: rfc3339(sinceMs),
    summary: cut(
      `${signal.name} of revision ${canary.revision} had no evidence (${reason}) and ` +
        `the object asks for a rollback then: ${absence?.message ?? ''}`,
    ),
  };
}

/** The incident of a rollback that a person ordered. */
export function incidentOfOrder(canary: RevisionView, actionId: string, nowMs: TimeMs): Incident {
  return {
    ...basis(canary, nowMs),
    alert: 'MANUAL_ROLLBACK',
    severity: 'Warning',
    signal: 'action',
    value: `rollback/${actionId}`,
    summary: `A person ordered the rollback of revision ${canary.revision} (action ${actionId}).`,
  };
}

/** A verdict whose every record but the mark on a route was lost. */
export function incidentWithoutRecord(id: string, revision: string, nowMs: TimeMs): Incident {
  return {
    id,
    alert: 'ROLLBACK',
    severity: 'Critical',
    revision,
    signal: 'unknown',
    detectedAt: rfc3339(nowMs),
    summary: `A route says that revision ${revision} was rejected; the evidence was lost.`,
  };
}
