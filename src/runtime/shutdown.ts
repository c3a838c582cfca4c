// Ends the process in order: on SIGTERM or SIGINT every part is stopped in turn, within a bound. It
// does not know what the parts are.
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** The signals' source and the way out. */
export interface ProcessPort {
  onSignal(listener: (signal: 'SIGTERM' | 'SIGINT') => void): void;
  exit(code: number): void;
}

export interface StopStep {
  readonly name: string;
  readonly stop: () => Promise<void>;
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

/**
 * Exits with 0 when all steps have ended well, with 1 when one failed or the bound is over, and
 * at once, with 1, on a second signal. Returns a function that begins the same without a signal.
 */
export function installShutdown(options: ShutdownOptions): (reason: string) => void {
  const { process, clock, log, steps, boundMs } = options;
  let begun = false;
  const begin = (reason: string): void => {
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
    void runSteps(steps, log).then((allWell) => {
      cancel();
      process.exit(allWell ? 0 : 1);
    });
  };
  process.onSignal(begin);
  return begin;
}

async function runSteps(steps: readonly StopStep[], log: Log): Promise<boolean> {
  let allWell = true;
  for (const { name, stop } of steps) {
    try {
      await stop();
    } catch (error) {
      allWell = false;
      const message = error instanceof Error ? error.message : String(error);
      log('error', 'a part did not stop well', { part: name, error: message });
    }
  }
  return allWell;
}
