// The annotations in which a ReplicaSet carries what must survive the status: read into a
// RevisionRecord, and written from one. It knows no meaning of them.
import * as names from '../api/names.ts';
import type { Incident } from '../api/schema.ts';
import type { RevisionRecord, TimeMs } from '../core/model.ts';
import { rfc3339 } from '../core/text.ts';

type Annotations = Readonly<Record<string, string>>;

/** A number that stands for nothing readable is as good as none. */
function count(text: string | undefined, otherwise: number): number {
  const value = Number(text);
  return text !== undefined && Number.isInteger(value) && value >= 0 ? value : otherwise;
}

function countOrNull(text: string | undefined): number | null {
  return text === undefined ? null : count(text, 0);
}

/** RFC 3339 as milliseconds since the epoch; null when absent or unreadable. */
export function timeOf(text: string | undefined): TimeMs | null {
  const value = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(value) ? null : value;
}

function incidentOf(text: string | undefined): Incident | null {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    const isIncident = typeof value === 'object' && value !== null && 'id' in value;
    return isIncident ? (value as Incident) : null;
  } catch {
    return null;
  }
}

/** What a ReplicaSet's annotations say; what they do not say is null, 0 or false. */
export function readRecord(annotations: Annotations = {}): RevisionRecord {
  const role = annotations[names.ROLE_ANNOTATION];
  return {
    role: role === 'stable' || role === 'canary' ? role : null,
    attempt: count(annotations[names.ATTEMPT_ANNOTATION], 0),
    attemptBegunMs: timeOf(annotations[names.ATTEMPT_BEGUN_ANNOTATION]),
    attemptStartMs: timeOf(annotations[names.ATTEMPT_START_ANNOTATION]),
    step: count(annotations[names.STEP_ANNOTATION], 0),
    podsMissingSinceMs: timeOf(annotations[names.STEP_INTENT_ANNOTATION]),
    stepStartMs: timeOf(annotations[names.STEP_START_ANNOTATION]),
    decidedWeight: countOrNull(annotations[names.STEP_INTENT_WEIGHT_ANNOTATION]),
    stepWeight: countOrNull(annotations[names.STEP_WEIGHT_ANNOTATION]),
    rejected: annotations[names.VERDICT_ANNOTATION] === 'rejected',
    incident: incidentOf(annotations[names.INCIDENT_ANNOTATION]),
    drainingSinceMs: timeOf(annotations[names.DRAINING_SINCE_ANNOTATION]),
    downSinceMs: timeOf(annotations[names.DOWN_SINCE_ANNOTATION]),
    stableFloor: countOrNull(annotations[names.STABLE_FLOOR_ANNOTATION]),
    retriedBy: annotations[names.RETRIED_BY_ANNOTATION] ?? null,
    approvedStep: count(annotations[names.APPROVED_STEP_ANNOTATION], 0),
    pausedBy: annotations[names.PAUSED_BY_ANNOTATION] ?? null,
    promotedMs: timeOf(annotations[names.PROMOTED_ANNOTATION]),
  };
}

const time = (value: TimeMs | null): string | null => (value === null ? null : rfc3339(value));
const number = (value: number | null): string | null => (value === null ? null : String(value));

type Writers = { [K in keyof RevisionRecord]: (value: RevisionRecord[K]) => string | null };

const annotationOf: Readonly<Record<keyof RevisionRecord, string>> = {
  role: names.ROLE_ANNOTATION,
  attempt: names.ATTEMPT_ANNOTATION,
  attemptBegunMs: names.ATTEMPT_BEGUN_ANNOTATION,
  attemptStartMs: names.ATTEMPT_START_ANNOTATION,
  step: names.STEP_ANNOTATION,
  podsMissingSinceMs: names.STEP_INTENT_ANNOTATION,
  stepStartMs: names.STEP_START_ANNOTATION,
  decidedWeight: names.STEP_INTENT_WEIGHT_ANNOTATION,
  stepWeight: names.STEP_WEIGHT_ANNOTATION,
  rejected: names.VERDICT_ANNOTATION,
  incident: names.INCIDENT_ANNOTATION,
  drainingSinceMs: names.DRAINING_SINCE_ANNOTATION,
  downSinceMs: names.DOWN_SINCE_ANNOTATION,
  stableFloor: names.STABLE_FLOOR_ANNOTATION,
  retriedBy: names.RETRIED_BY_ANNOTATION,
  approvedStep: names.APPROVED_STEP_ANNOTATION,
  pausedBy: names.PAUSED_BY_ANNOTATION,
  promotedMs: names.PROMOTED_ANNOTATION,
};

const writers: Writers = {
  role: (role) => role ?? 'none',
  attempt: number,
  attemptBegunMs: time,
  attemptStartMs: time,
  step: number,
  podsMissingSinceMs: time,
  stepStartMs: time,
  decidedWeight: number,
  stepWeight: number,
  rejected: (rejected) => (rejected ? 'rejected' : 'none'),
  incident: (incident) => (incident === null ? null : JSON.stringify(incident)),
  drainingSinceMs: time,
  downSinceMs: time,
  stableFloor: number,
  retriedBy: (id) => id,
  approvedStep: number,
  pausedBy: (id) => id,
  promotedMs: time,
};

/** The annotations that state the given fields; null removes one. */
export function writeRecord(record: Partial<RevisionRecord>): Record<string, string | null> {
  const annotations: Record<string, string | null> = {};
  const put = <K extends keyof RevisionRecord>(field: K): void => {
    const value = record[field];
    if (value !== undefined) annotations[annotationOf[field]] = writers[field](value);
  };
  for (const field of Object.keys(annotationOf) as (keyof RevisionRecord)[]) put(field);
  return annotations;
}
