// Ends the process in order: on SIGTERM or SIGINT every part is stopped in turn, within a bound. It
// does not know what the parts are.
import { resolvesWithin, type Clock } from './clock.ts';
import type { Log } from './log.ts';

/** The signals' source and the way out. */
export interface ProcessPort {
  onSignal(listener: (signal: 'SIGTERM' | 'SIGINT') => void): void;
  exit(code: number): void;
}

export interface StopStep {
  readonly name: string;
  readonly stop: () => Promise<void>;
  /** After so long the next one begins all the same, and that is no failure. */
  readonly boundMs?: number;
}

export interface ShutdownOptions {
  readonly process: ProcessPort;
  readonly clock: Clock;
  readonly log: Log;
  /** Run one after the other, in this order; one that fails doesn't keep the next from running. */
  readonly steps: readonly StopStep[];
  /** For all steps together. Well under the pod's terminationGracePeriodSeconds. */
  readonly boundMs: number;
}

/** Begins the same as a signal does; the process then ends with `exitCode`, or with 1. */
export type Shutdown = (reason: string, exitCode: 0 | 1) => void;

/**
 * Exits with 0 when all steps have ended well, with 1 when one failed or the bound is over, and
 * at once, with 1, on a second signal.
 */
export function installShutdown(options: ShutdownOptions): Shutdown {
  const { process, clock, log, boundMs } = options;
  let begun = false;
  const begin: Shutdown = (reason, exitCode) => {
    if (begun) {
      log('warn', 'exiting at once', { reason });
      process.exit(1);
      return;
    }
    begun = true;
    log('info', 'shutting down', { reason });
    const cancel = clock.setTimer(boundMs, () => {
      log('error', 'the shutdown took too long', { boundMs });
      process.exit(1);
    });
    void runSteps(options).then((allWell) => {
      cancel();
      process.exit(allWell ? exitCode : 1);
    });
  };
  process.onSignal((signal) => begin(signal, 0));
  return begin;
}

async function runSteps({ steps, clock, log }: ShutdownOptions): Promise<boolean> {
  let allWell = true;
  for (const { name, stop, boundMs } of steps) {
    try {
      if (boundMs === undefined) await stop();
      else if (!(await resolvesWithin(clock, boundMs, stop()))) {
        log('warn', 'a part takes long to stop and is left', { part: name, boundMs });
      }
    } catch (error) {
      allWell = false;
      const message = error instanceof Error ? error.message : String(error);
      log('error', 'a part did not stop well', { part: name, error: message });
    }
  }
  return allWell;
}
