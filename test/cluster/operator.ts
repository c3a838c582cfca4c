// Runs the bundled operator against a cluster as its users do: with the RBAC of deploy/ and a token
// of its service account, as a child process. It builds nothing.
import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import type { Cluster } from './cluster.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** How the operator is started. */
export interface OperatorOptions {
  /** Text of its configuration file. */
  readonly configYaml: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces the API server's URL, for a proxy in between. */
  readonly apiUrl?: string;
}

/** A line of the operator's JSON log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A running operator. */
export interface OperatorHandle {
  readonly pid: number;
  /** Where it serves /healthz, /readyz and /metrics. */
  readonly url: string;
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
  /** Lines of the log so far; a line that is not JSON comes as `{raw}`. */
  logs(): readonly LogLine[];
  /** Ends it with SIGTERM, with SIGKILL after ten seconds, and waits for its exit. */
  stop(): Promise<void>;
}

/** Service account of the operator, as deploy/ has it. */
export const operatorAccount = 'x0tta-system/x0tta';

const root = resolve(import.meta.dirname, '..', '..');
const stopMs = 10_000;

/**
 * Applies the resource definitions and deploy/ to a cluster, as a user would before starting the
 * operator.
 */
export async function installOperator(cluster: Cluster): Promise<void> {
  for (const folder of ['crds', 'deploy']) {
    await cluster.kubectl([
      'apply',
      '--server-side',
      '--force-conflicts',
      '-f',
      join(root, folder),
    ]);
  }
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
}

/**
 * Installs and starts the operator and waits until /readyz answers 200.
 * @throws Error with the end of its log when it exits or is not ready within 30 s.
 */
export async function startOperator(
  cluster: Cluster,
  options: OperatorOptions,
): Promise<OperatorHandle> {
  await installOperator(cluster);
  const folder = mkdtempSync(join(cluster.folder, 'operator-'));
  const config = join(folder, 'config.yaml');
  writeFileSync(config, options.configYaml);
  const kubeconfig = await cluster.kubeconfigFor(operatorAccount, options.apiUrl);
  const [port = 0] = await freePorts(1);
  const listen = `127.0.0.1:${port}`;
  const operator = spawnOperator(folder, options, [
    '--kubeconfig',
    kubeconfig,
    '--config',
    config,
    '--listen',
    listen,
  ]);
  const handle = { ...operator, url: `http://${listen}` };
  try {
    const early = operator.exited.then((how) => Promise.reject(new Error(`it exited with ${how}`)));
    await Promise.race([early, waitFor('its /readyz', () => isReady(handle.url), 30_000)]);
    early.catch(() => undefined);
    return handle;
  } catch (error) {
    await operator.stop();
    const end = operator.logs().slice(-20);
    const lines = end.map((line) => JSON.stringify(line)).join('\n');
    throw new Error(`the operator did not get ready: ${String(error)}\n${lines}`, { cause: error });
  }
}

function spawnOperator(
  folder: string,
  options: OperatorOptions,
  args: readonly string[],
): Omit<OperatorHandle, 'url'> {
  const logFile = join(folder, 'operator.log');
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [join(root, 'dist', 'operator.mjs'), ...args], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  const exited = new Promise<number | string>((settle, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => settle(code ?? signal ?? 'no code'));
  });
  return {
    pid: child.pid ?? 0,
    exited,
    kill: (signal) => void child.kill(signal),
    logs: () => readFileSync(logFile, 'utf8').split('\n').filter(Boolean).map(parseLine),
    stop: async () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  const answer = await request(`${url}/readyz`);
  await answer.body.dump();
  return answer.statusCode === 200;
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { raw: line };
  }
}
