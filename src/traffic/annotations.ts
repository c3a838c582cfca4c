// The operator's annotations on a route as text: the rollout's mark, the verdict, the incident.
// What can't be read counts as absent, since anybody may write there.
import { INCIDENT_ANNOTATION, ROLLOUT_ANNOTATION, VERDICT_ANNOTATION } from '../api/names.ts';
import type { Incident } from '../api/schema.ts';
import { incidentSchema } from '../api/status.ts';
import type { RolloutMark } from '../core/model.ts';
import { cut } from '../core/text.ts';

type Verdict = 'none' | 'rejected';

/** What a route's annotations say about a rollout. */
export interface RouteNotes {
  readonly mark: RolloutMark | null;
  readonly verdict: Verdict | null;
  readonly incident: Incident | null;
}

/** Bytes of an incident's JSON on a route; the whole record stands in the status. */
const MAX_INCIDENT_BYTES = 1024;

/** Fields that an incident can do without, in the order in which they are left out. */
const DISPENSABLE = ['evidence', 'query', 'actions', 'images', 'value', 'limit'] as const;
/** No letter in it is escaped in JSON, by Go or by us, so that a `test` may compare it. */
const MARK_FORM = /^([A-Za-z0-9-]+)\/([A-Za-z0-9-]*)\/([1-9][0-9]{0,8})$/;

export function readNotes(annotations: Readonly<Record<string, string>> = {}): RouteNotes {
  const verdict = annotations[VERDICT_ANNOTATION];
  return {
    mark: parseMark(annotations[ROLLOUT_ANNOTATION]),
    verdict: verdict === 'none' || verdict === 'rejected' ? verdict : null,
    incident: parseIncident(annotations[INCIDENT_ANNOTATION]),
  };
}

/** `<UID of the object>/<revision>/<attempt>`. */
export function formatMark({ uid, revision, attempt }: RolloutMark): string {
  return `${uid}/${revision}/${attempt}`;
}

function parseMark(text: string | undefined): RolloutMark | null {
  const [, uid, revision, attempt] = MARK_FORM.exec(text ?? '') ?? [];
  if (uid === undefined || revision === undefined) return null;
  return { uid, revision, attempt: Number(attempt) };
}

/** JSON of at most 1 KiB: what can be done without goes first, then the end of the summary. */
export function formatIncident(incident: Incident): string {
  const record: { -readonly [K in keyof Incident]: Incident[K] } = { ...incident };
  for (const field of DISPENSABLE) {
    if (excessOf(record) <= 0) break;
    delete record[field];
  }
  const excess = excessOf(record);
  if (excess > 0) {
    const bytes = Buffer.byteLength(JSON.stringify(record.summary)) - 2;
    record.summary = cut(record.summary, Math.max(1, bytes - excess));
  }
  return JSON.stringify(record);
}

function excessOf(record: Incident): number {
  return Buffer.byteLength(JSON.stringify(record)) - MAX_INCIDENT_BYTES;
}

function parseIncident(text: string | undefined): Incident | null {
  if (text === undefined) return null;
  try {
    return incidentSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
