// A bound on the time of one request, joined with its caller's own signal. It sends nothing.
import type { Cancel, Clock } from '../runtime/clock.ts';
import { KubeError } from './errors.ts';

export interface Deadline {
  /** Aborted, with a KubeError as its reason, by the bound or by the caller's signal. */
  readonly signal: AbortSignal;
  /** Starts the bound anew. */
  extend(timeoutMs: number): void;
  /** Takes timer and listener away. Call it in every case. */
  dispose(): void;
}

/** `what` names the request in the error's message. */
export function createDeadline(
  clock: Clock,
  what: string,
  timeoutMs: number,
  outer: AbortSignal | undefined,
): Deadline {
  const controller = new AbortController();
  const abort = (): void => {
    const message = `${what} was given up by its caller`;
    controller.abort(new KubeError(message, { kind: 'terminal', status: 0, reason: 'Aborted' }));
  };
  let cancel: Cancel = () => undefined;
  const start = (boundMs: number): void => {
    cancel = clock.setTimer(boundMs, () => {
      const message = `${what} got no answer in ${boundMs} ms`;
      controller.abort(new KubeError(message, { kind: 'retryable', status: 0, reason: 'Timeout' }));
    });
  };
  start(timeoutMs);
  if (outer?.aborted === true) abort();
  outer?.addEventListener('abort', abort, { once: true });
  return {
    signal: controller.signal,
    extend(boundMs) {
      cancel();
      start(boundMs);
    },
    dispose() {
      cancel();
      outer?.removeEventListener('abort', abort);
    },
  };
}

/** The promise's result, or the signal's reason as soon as it is aborted. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
