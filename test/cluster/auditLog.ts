// The writes of a cluster as its API server's audit log has them, and the reads of the account that
// is audited. It reads a file and asks nobody.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Cluster } from './cluster.ts';

/** A request for an object, once it was answered; a watch also when it began. */
export interface AuditedWrite {
  readonly verb: string;
  readonly user: {
    readonly username: string;
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
  readonly objectRef: {
    /** Missing for the core group. */
    readonly apiGroup?: string;
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus: { readonly code: number; readonly message?: string };
  readonly requestObject?: unknown;
  readonly responseObject?: unknown;
}

/** A patch that takes the operator's entry out of managedFields, and changes nothing else. */
export function isHandBack({ requestObject }: AuditedWrite): boolean {
  return (
    Array.isArray(requestObject) &&
    requestObject.some(({ path }: { path: string }) => path.startsWith('/metadata/managedFields/'))
  );
}

/** Where a first call begins. */
type Start = 'the beginning' | 'now';

/**
 * The entries since the last call. No call reads more than these: a long log takes a second, in
 * which a process that is a metric server as well would answer nobody.
 */
export function newEntries(
  { auditLog }: Pick<Cluster, 'auditLog'>,
  start: Start = 'the beginning',
): () => readonly AuditedWrite[] {
  // From the last byte, which ends a line or is in the middle of one that began before.
  let offset = start === 'now' ? Math.max(0, statSync(auditLog).size - 1) : 0;
  let isInLine = offset > 0;
  return () => {
    const file = openSync(auditLog, 'r');
    try {
      const rest = Buffer.alloc(fstatSync(file).size - offset);
      readSync(file, rest, 0, rest.length, offset);
      // The newest line may still be under way.
      const whole = rest.subarray(0, rest.lastIndexOf('\n') + 1);
      const first = isInLine ? whole.indexOf('\n') + 1 : 0;
      isInLine &&= whole.length === 0;
      offset += whole.length;
      return entriesOf(whole.subarray(first));
    } finally {
      closeSync(file);
    }
  };
}

/** Line by line: the log of thousands of objects is longer than a string may be. */
function entriesOf(lines: Buffer): readonly AuditedWrite[] {
  const entries: AuditedWrite[] = [];
  let begin = 0;
  while (begin < lines.length) {
    const end = lines.indexOf('\n', begin);
    const entry = JSON.parse(lines.toString('utf8', begin, end)) as Partial<AuditedWrite>;
    // A read of what the server has (/apis/…) is about no object.
    if (entry.objectRef !== undefined) entries.push(entry as AuditedWrite);
    begin = end + 1;
  }
  return entries;
}
