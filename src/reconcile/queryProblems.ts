// What the reports on an object's own queries come to. A process that has just started knows
// nothing of a query until it has asked: what the status says of that query stands till then.
import type { Reason } from '../api/reasons.ts';
import type { X0ttaDeployment } from '../api/schema.ts';
import type { Problem } from '../core/model.ts';
import { cut } from '../core/text.ts';
import type { QueryReport } from '../sources/port.ts';

type Reported = Pick<X0ttaDeployment, 'metadata' | 'status'>;

/** How a condition speaks of one kind of report; its message begins with what names the signal. */
interface Wording {
  readonly kind: QueryReport['kind'];
  readonly type: string;
  readonly reason: Reason;
  readonly head: (report: QueryReport) => string;
  readonly rest: (report: QueryReport) => string;
}

const refused: Wording = {
  kind: 'refused',
  type: 'Stalled',
  reason: 'InvalidQuery',
  head: ({ signal }) => `spec.signals[${signal}].query: `,
  rest: ({ message, query }) => `${message} The query is: ${query}`,
};

const empty: Wording = {
  kind: 'empty',
  type: 'EvidenceAvailable',
  reason: 'QueryEmpty',
  head: ({ signal }) => `${signal}: no series matches its query now, `,
  rest: ({ query }) => `which is: ${query} A canary would have no evidence of it.`,
};

/** The first query that a server can't carry out, which lets no rollout begin. */
export function refusedQuery(reports: readonly QueryReport[], object: Reported): Problem | null {
  const message = firstOf(reports, refused, object);
  return message === null ? null : { reason: 'InvalidQuery', message };
}

/** Says which query is the first that matches no series at all. */
export function emptyQuery(reports: readonly QueryReport[], object: Reported): string | null {
  return firstOf(reports, empty, object);
}

function firstOf(
  reports: readonly QueryReport[],
  wording: Wording,
  object: Reported,
): string | null {
  const standing = standingMessage(object, wording);
  for (const report of reports) {
    const head = wording.head(report);
    if (report.kind === wording.kind) return cut(head + wording.rest(report));
    if (report.kind === 'untried' && standing?.startsWith(head) === true) return standing;
  }
  return null;
}

/** What the status says with this reason, if it was made of the spec as it is now. */
function standingMessage({ metadata, status }: Reported, wording: Wording): string | undefined {
  return status?.conditions?.find(
    ({ type, reason, observedGeneration }) =>
      type === wording.type &&
      reason === wording.reason &&
      observedGeneration === metadata.generation,
  )?.message;
}
