// The writes of a cluster as its API server's audit log has them. It reads a file and asks nobody.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Cluster } from './cluster.ts';

/** A write, once it was answered. */
export interface AuditedWrite {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestReceivedTimestamp: string;
  readonly objectRef: {
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly responseStatus: { readonly code: number };
  readonly requestObject?: unknown;
  readonly responseObject?: unknown;
}

type Log = Pick<Cluster, 'auditLog'>;

/** Every write so far. A long log takes a second, in which this process answers nobody. */
export function auditedWrites(log: Log): readonly AuditedWrite[] {
  return newEntries(log)();
}

/** The entries since the last call, of which only these are read; first, all there are. */
export function newEntries<Entry = AuditedWrite>({ auditLog }: Log): () => readonly Entry[] {
  let offset = 0;
  return () => {
    const file = openSync(auditLog, 'r');
    try {
      const rest = Buffer.alloc(fstatSync(file).size - offset);
      readSync(file, rest, 0, rest.length, offset);
      // The newest line may still be under way.
      const whole = rest.subarray(0, rest.lastIndexOf('\n') + 1);
      offset += whole.length;
      const lines = whole.toString().split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line) as Entry);
    } finally {
      closeSync(file);
    }
  };
}
