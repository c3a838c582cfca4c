// Runs one command to its end.
import { execFile } from 'node:child_process';

/** Standard input and additions to the environment of a command. */
export interface CommandOptions {
  readonly input?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

const maxOutputBytes = 64 * 1024 * 1024;

/**
 * Runs a command and returns its standard output. @throws Error with its arguments and its standard
 * error.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...options.env };
    const child = execFile(
      command,
      args,
      { env, maxBuffer: maxOutputBytes },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}`));
      },
    );
    // A command that ends without reading its input breaks the pipe; its exit code tells.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input);
  });
}
