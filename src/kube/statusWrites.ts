// Watches over the writes of statuses: each that fails is counted, and told once for each object
// and reason. It changes no write and tries none again.
import type { Log } from '../runtime/log.ts';
import { KubeError } from './errors.ts';
import type { ClusterWrites, WriteResult } from './port.ts';

export interface StatusWritesOptions {
  readonly writes: ClusterWrites;
  readonly log: Log;
  /** The API server's reason, or Network when there was no answer. */
  readonly onFailure: (reason: string) => void;
}

/** More objects than that fail for one reason: to tell some of them again is no matter. */
const maxRemembered = 4_096;

/**
 * The same writes. What another writer changed or deleted, and what a process that does not lead
 * any more may not send, is no failure.
 */
export function watchStatusWrites({ writes, log, onFailure }: StatusWritesOptions): ClusterWrites {
  /** The last reason of each object whose status could not be written, by namespace/name. */
  const failing = new Map<string, string>();
  return {
    ...writes,
    async writeStatus(which, status) {
      const result = await writes.writeStatus(which, status);
      const { namespace, name } = which;
      const key = `${namespace}/${name}`;
      const failure = failureOf(result);
      if (failure === null) {
        failing.delete(key);
        return result;
      }
      const { reason, message } = failure;
      onFailure(reason);
      if (failing.get(key) === reason) return result;
      if (failing.size >= maxRemembered) failing.clear();
      failing.set(key, reason);
      const fields = { namespace, name, reason, error: message };
      log('warn', 'the status of an object could not be written', fields);
      return result;
    },
  };
}

interface Failure {
  readonly reason: string;
  readonly message: string;
}

function failureOf(result: WriteResult<unknown>): Failure | null {
  switch (result.kind) {
    case 'done':
    case 'conflict':
    case 'missing':
      return null;
    // A status is no create, so no name of its is taken.
    case 'taken':
    case 'refused':
      return { reason: 'Invalid', message: result.message };
    case 'failed': {
      const { error } = result;
      const { message } = error;
      if (!(error instanceof KubeError)) return { reason: 'Other', message };
      if (error.reason === 'NotLeading') return null;
      return { reason: error.status === 0 ? 'Network' : error.reason, message };
    }
  }
}
