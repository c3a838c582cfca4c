// Runs one command of the machine to its end, for the scripts of the image.
import { execFileSync } from 'node:child_process';

/** Where a command runs, and what is added to its environment. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const maxOutputBytes = 2 ** 30;

/**
 * Runs a command and returns its standard output. @throws Error with its arguments and its standard
 * error.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Buffer {
  try {
    return execFileSync(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      maxBuffer: maxOutputBytes,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new Error(`${command} ${args.join(' ')}: ${said || String(error)}`, { cause: error });
  }
}

/** Whether a command of this name can be run. */
export function isThere(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
