// One component of a cluster: a child process with its log file, that may be paused, stopped and
// started again. It knows nothing of what the component does.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How a component is started. */
export interface ComponentSpec {
  /** Name of the component and of its log file, for example 'etcd'. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running (or stopped) component of a cluster. */
export interface Component {
  readonly name: string;
  /** Process id inside the sandbox; undefined while it is stopped. */
  pid(): number | undefined;
  /** The last lines of the log. */
  tail(): string;
  /** Starts it again after stop(). */
  start(): void;
  /** Sends a signal; SIGSTOP and SIGCONT pause and resume it. */
  signal(signal: NodeJS.Signals): void;
  /**
   * Ends it and waits for its exit: by `signal`, and by SIGKILL when that took more than five
   * seconds.
   */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const tailLines = 30;
const stopMs = 5_000;
const pollMs = 50;

/**
 * Starts a component, its output appended to `<folder>/logs/<name>.log`. When it ends without
 * stop() the process fails with an uncaught error that carries the tail of the log, so that no test
 * goes on against half a cluster.
 */
export function startComponent(folder: string, spec: ComponentSpec): Component {
  const logs = join(folder, 'logs');
  const logFile = join(logs, `${spec.name}.log`);
  mkdirSync(logs, { recursive: true });
  let child: ChildProcess | undefined;
  const tail = (): string =>
    readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-tailLines).join('\n');

  const start = (): void => {
    if (child !== undefined) return;
    const log = openSync(logFile, 'a');
    const started = spawn(spec.command, spec.args, {
      // A session of its own: an interrupt from the terminal is for the test run, which ends its
      // clusters in order.
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...spec.env },
    });
    closeSync(log);
    child = started;
    const fail = (how: string): void => {
      if (child !== started) return;
      child = undefined;
      throw new Error(`${spec.name} ended on its own (${how}); the end of ${logFile}:\n${tail()}`);
    };
    started.once('error', (error) => fail(error.message));
    started.once('exit', (code, signal) => fail(signal ?? `exit code ${code}`));
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    const stopping = child;
    if (stopping === undefined) return;
    child = undefined;
    const exited = new Promise<void>((resolve) => stopping.once('exit', () => resolve()));
    stopping.kill(signal);
    const timer = setTimeout(() => stopping.kill('SIGKILL'), stopMs);
    await exited;
    clearTimeout(timer);
  };

  start();
  return {
    name: spec.name,
    pid: () => child?.pid,
    tail,
    start,
    signal: (signal) => child?.kill(signal),
    stop,
  };
}

/**
 * Polls until `check` returns something other than undefined or false; an error that it throws
 * counts as "not yet" and is told when the time is up.
 * @throws Error naming what was waited for, after `timeoutMs` (default 60 s).
 */
export async function waitFor<T>(
  what: string,
  check: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let reason = '';
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      reason = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s for ${what}${reason}`);
    await delay(pollMs);
  }
}
