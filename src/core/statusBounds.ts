// Keeps a status within its size (I7): what people need least goes first. Pure; it shortens and
// adds nothing.
import { MAX_STATUS_BYTES } from '../api/limits.ts';
import type { Status } from '../api/schema.ts';
import { utf8Bytes } from './text.ts';

/** Takes one thing away; null when nothing of its kind is left. */
type Reduction = (status: Status) => Status | null;

/** In the order in which they are used up. */
const reductions: readonly Reduction[] = [
  oldestSamples,
  oldestIncident,
  oldestRejection,
  aSignalsMessage,
  oldestAction,
  newestIncidentsTexts,
];

/** The same status, or as much of it as stays under MAX_STATUS_BYTES. */
export function withinBounds(status: Status): Status {
  let bounded = status;
  for (const reduce of reductions) {
    while (utf8Bytes(JSON.stringify(bounded)) > MAX_STATUS_BYTES) {
      const next = reduce(bounded);
      if (next === null) break;
      bounded = next;
    }
  }
  return bounded;
}

function oldestSamples(status: Status): Status | null {
  const incidents = status.incidents ?? [];
  const last = incidents.findLastIndex(({ evidence }) => evidence !== undefined);
  const found = incidents[last];
  if (found === undefined) return null;
  const { evidence: _, ...rest } = found;
  return { ...status, incidents: incidents.with(last, rest) };
}

function oldestIncident(status: Status): Status | null {
  const incidents = status.incidents ?? [];
  return incidents.length > 1 ? { ...status, incidents: incidents.slice(0, -1) } : null;
}

function oldestRejection(status: Status): Status | null {
  const rejected = status.rejected ?? [];
  return rejected.length > 1 ? { ...status, rejected: rejected.slice(0, -1) } : null;
}

/** The values and levels stay; the condition says what is missing. */
function aSignalsMessage(status: Status): Status | null {
  const signals = status.signals ?? [];
  const last = signals.findLastIndex(({ message }) => message !== undefined);
  const found = signals[last];
  if (found === undefined) return null;
  const { message: _, ...rest } = found;
  return { ...status, signals: signals.with(last, rest) };
}

function oldestAction(status: Status): Status | null {
  const actions = status.lastActions ?? [];
  return actions.length > 1 ? { ...status, lastActions: actions.slice(0, -1) } : null;
}

function newestIncidentsTexts(status: Status): Status | null {
  const [newest] = status.incidents ?? [];
  if (newest === undefined || (newest.query === undefined && newest.actions === undefined)) {
    return null;
  }
  const { query: _query, actions: _actions, ...rest } = newest;
  return { ...status, incidents: [rest] };
}
