// The bundled operator as a child process with a configuration and a kubeconfig in a folder of its
// own. It knows no cluster: what answers at the kubeconfig's address is the test's.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { bundleOperator } from '../../scripts/bundle.ts';

type Line = Readonly<Record<string, unknown>>;

export interface OperatorProcess {
  /** The lines of its log so far. */
  readonly lines: readonly Line[];
  /** The line of its log with this message; it rejects when the process ends without it. */
  line(message: string): Promise<Line>;
  /** All of standard error, when it has ended. */
  readonly error: Promise<string>;
  /** What it writes to descriptor 3. */
  readonly marks: Readable;
  /** Exit code and signal. */
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
  kill(signal: NodeJS.Signals): void;
}

export class OperatorFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'operator-'));
  readonly bundle = join(this.path, 'operator.mjs');
  readonly #running = new Set<OperatorProcess>();

  /** Bundles the operator into the folder. */
  async open(): Promise<void> {
    for (const [name, content] of (await bundleOperator()).files) this.write(name, content);
    this.write('config.yaml', 'servers: [{ name: main, url: "http://127.0.0.1:9" }]');
  }

  /** Ends what still runs, and removes the folder. */
  async close(): Promise<void> {
    for (const operator of this.#running) {
      operator.kill('SIGKILL');
      await operator.ended;
    }
    rmSync(this.path, { recursive: true });
  }

  /** Returns the path of the file. */
  write(name: string, content: string | Buffer): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  /** Flags for a configuration, loopback, and an API server at that port. */
  flagsFor(port: number): readonly string[] {
    const kubeconfig = JSON.stringify(kubeconfigOf(`https://127.0.0.1:${port}`));
    return [
      `--config=${join(this.path, 'config.yaml')}`,
      `--kubeconfig=${this.write(`kubeconfig-${port}`, kubeconfig)}`,
      '--listen=127.0.0.1:0',
      '--probe-listen=127.0.0.1:0',
    ];
  }

  /** A key and a certificate of 127.0.0.1, PEM. */
  certificate(): { readonly key: string; readonly cert: string } {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const out = ['-keyout', 'server.key', '-out', 'server.crt', '-subj', '/CN=127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', ...key, ...out], { cwd: this.path, stdio: 'ignore' });
    const read = (name: string): string => readFileSync(join(this.path, name), 'utf8');
    return { key: read('server.key'), cert: read('server.crt') };
  }

  start(args: readonly string[], nodeArgs: readonly string[] = []): OperatorProcess {
    const child = spawn(process.execPath, [...nodeArgs, this.bundle, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    const [, out, error, marks] = child.stdio as unknown as readonly Readable[];
    if (out === undefined || error === undefined || marks === undefined) throw new Error('no pipe');
    const lines: Line[] = [];
    const reader = createInterface({ input: out });
    reader.on('line', (line) => lines.push(parse(line)));
    const ended = once(child, 'close') as unknown as OperatorProcess['ended'];
    const operator: OperatorProcess = {
      lines,
      line: async (message) => {
        let isOver = false;
        void ended.then(() => (isOver = true));
        for (;;) {
          const found = lines.find((line) => line['message'] === message);
          if (found !== undefined) return found;
          if (isOver) throw new Error(`it ended and never said "${message}"`);
          await Promise.race([once(reader, 'line'), ended]);
        }
      },
      error: text(error),
      marks,
      ended,
      kill: (signal) => void child.kill(signal),
    };
    this.#running.add(operator);
    void ended.then(() => this.#running.delete(operator));
    return operator;
  }
}

function parse(line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return { message: line };
  }
}

function kubeconfigOf(server: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    contexts: [{ name: 'main', context: { cluster: 'main', user: 'main' } }],
    clusters: [{ name: 'main', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'main', user: { token: 'secret' } }],
  };
}
