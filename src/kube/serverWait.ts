// Waits for an API server that is away: asks again until it answers, with growing waits, and says
// why it waits once for each reason. What it is asked is its caller's.
import type { Log } from '../runtime/log.ts';
import { lookAgain, type Patience } from '../runtime/lookAgain.ts';
import { KubeError } from './errors.ts';

export interface ServerWaitOptions extends Patience {
  /** Its address, for people. */
  readonly serverUrl: string;
  readonly log: Log;
}

export interface ServerWait<T> {
  /** What is waited for, in words; null once it has come. */
  readonly pending: () => string | null;
  /** What `ask` resolved with; null when the signal was aborted before that. */
  readonly answer: Promise<T | null>;
}

/** Asks at once. What `ask` rejects with is waited out when it is a KubeError, else passed on. */
export function waitForServer<T>(ask: () => Promise<T>, options: ServerWaitOptions): ServerWait<T> {
  const { serverUrl, log, signal } = options;
  let pending: string | null = `the API server ${serverUrl}`;
  let failure = '';
  let answer: T | null = null;
  const look = async (): Promise<boolean> => {
    try {
      answer = await ask();
      pending = null;
      return true;
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      if (signal.aborted || error.message === failure) return false;
      failure = error.message;
      pending = `the API server ${serverUrl} (${failure})`;
      log('warn', 'waiting for the API server', { server: serverUrl, error: failure });
      return false;
    }
  };
  const wait = async (): Promise<T | null> => {
    if (!(await look())) await lookAgain(look, options);
    return answer;
  };
  return { pending: () => pending, answer: wait() };
}
