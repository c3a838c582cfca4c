// Runs the bundled operator against a cluster as its users do: with the RBAC of deploy/ and a token
// of its service account, as a child process. It builds nothing.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { request } from 'undici';
import { parseAllDocuments } from 'yaml';
import type { Cluster } from './cluster.ts';
import { oncePerCluster } from './once.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** How the operator is started. */
export interface OperatorOptions {
  /** Text of its configuration file; operatorConfiguration() of the cluster when left out. */
  readonly configYaml?: string;
  /** 'namespace/name' of an account that whoever names it has installed; else the default one. */
  readonly account?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Replaces the API server's URL, for a proxy in between. */
  readonly apiUrl?: string;
  /** Added to the flags. */
  readonly args?: readonly string[];
  /** Where it answers probes, for who asks before it is ready; a free one when left out. */
  readonly probePort?: number;
}

/** A line of the operator's JSON log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A running operator. */
export interface OperatorHandle {
  readonly pid: number;
  /** Where it serves /metrics. */
  readonly url: string;
  /** Where it serves /healthz and /readyz. */
  readonly probeUrl: string;
  /** Path of its log; those that restart() started write on in the same file. */
  readonly logFile: string;
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
  /** Lines of the log so far; a line that is not JSON comes as `{raw}`. */
  logs(): readonly LogLine[];
  /** Sum of a metric's series, or of those with a label. */
  sumOf(metric: string, label?: string): Promise<number>;
  /** Ends it with SIGTERM, with SIGKILL after ten seconds, and waits for its exit. */
  stop(): Promise<void>;
  /**
   * Stops it if it still runs, and starts another with the same account, configuration and ports.
   * @throws Error as startOperator does.
   */
  restart(): Promise<OperatorHandle>;
}

/** Service account of the operator, as deploy/ has it. */
export const operatorAccount = 'x0tta-system/x0tta';

const root = resolve(import.meta.dirname, '..', '..');
const bundle = join(root, 'dist', 'operator.mjs');
/** As the README starts it (docs/decisions/0011-memory-is-given-back.md). */
const nodeFlags = ['--max-semi-space-size=1', '--no-allocation-site-pretenuring'];
const nodeEnv = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '8192',
  MALLOC_TRIM_THRESHOLD_: '65536',
};
const stopMs = 10_000;
const readyMs = 30_000;

/** A configuration for a cluster whose Prometheus scrapes every second. */
export function operatorConfiguration({ prometheusUrl, profile }: Cluster): string {
  if (prometheusUrl === undefined) throw new Error(`profile ${profile} has no Prometheus`);
  const server = { name: 'main', url: prometheusUrl, scrapeInterval: '1s', lag: '1s' };
  // JSON is YAML.
  return JSON.stringify({ servers: [server], defaultServer: 'main', pollInterval: '1s' });
}

/**
 * Applies deploy/overlays/default to a cluster, once, as a user would. The Deployment is left out:
 * the process that startOperator starts stands for it.
 */
export const installOperator = oncePerCluster(async (cluster) => {
  const text = await cluster.kubectl(['kustomize', join(root, 'deploy', 'overlays', 'default')]);
  const objects = parseAllDocuments(text).map((each) => each.toJS() as { readonly kind: string });
  await cluster.apply(objects.filter(({ kind }) => kind !== 'Deployment'));
  await cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s']);
});

/**
 * Installs and starts the operator and waits until /readyz answers 200.
 * @throws Error with the end of its log when it exits or is not ready within 30 s.
 */
export async function startOperator(
  cluster: Cluster,
  options: OperatorOptions = {},
): Promise<OperatorHandle> {
  if (!existsSync(bundle)) throw new Error(`${bundle} is not there; run \`make build\``);
  if (options.account === undefined) await installOperator(cluster);
  const folder = mkdtempSync(join(cluster.folder, 'operator-'));
  const config = join(folder, 'config.yaml');
  writeFileSync(config, options.configYaml ?? operatorConfiguration(cluster));
  const kubeconfig = await cluster.kubeconfigFor(
    options.account ?? operatorAccount,
    options.apiUrl,
  );
  const [port = 0, free = 0] = await freePorts(2);
  const { probePort = free } = options;
  const listen = `127.0.0.1:${port}`;
  const probeListen = `127.0.0.1:${probePort}`;
  return launch({
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--config=${config}`,
      `--listen=${listen}`,
      `--probe-listen=${probeListen}`,
      ...(options.args ?? []),
    ],
    env: options.env ?? {},
    url: `http://${listen}`,
    probeUrl: `http://${probeListen}`,
    logFile: join(folder, 'operator.log'),
  });
}

/** Everything that one operator and those that restart() starts have in common. */
interface Launch {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  readonly probeUrl: string;
  readonly logFile: string;
}

async function launch(how: Launch): Promise<OperatorHandle> {
  const operator = spawnOperator(how);
  const early = operator.exited.then((end) => Promise.reject(new Error(`it ended with ${end}`)));
  try {
    await Promise.race([early, waitFor('its /readyz', () => isReady(how.probeUrl), readyMs)]);
    return operator;
  } catch (error) {
    await operator.stop();
    const end = operator.logs().slice(-20);
    const lines = end.map((line) => JSON.stringify(line)).join('\n');
    throw new Error(`the operator did not get ready: ${String(error)}\n${lines}`, { cause: error });
  }
}

function spawnOperator(how: Launch): OperatorHandle {
  const { args, env, url, probeUrl, logFile } = how;
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [...nodeFlags, bundle, ...args], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...nodeEnv, ...env },
  });
  closeSync(log);
  const exited = new Promise<number | string>((settle, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => settle(code ?? signal ?? 'no code'));
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await exited;
    clearTimeout(timer);
  };
  return {
    pid: child.pid ?? 0,
    url,
    probeUrl,
    logFile,
    exited,
    kill: (signal) => void child.kill(signal),
    logs: () => readFileSync(logFile, 'utf8').split('\n').filter(Boolean).map(parseLine),
    sumOf: async (metric, label = '') => {
      const answer = await request(`${url}/metrics`);
      const lines = (await answer.body.text()).split('\n');
      const series = lines.filter((line) => line.startsWith(metric) && line.includes(label));
      return series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    stop,
    restart: async () => {
      await stop();
      return launch(how);
    },
  };
}

async function isReady(probeUrl: string): Promise<boolean> {
  const answer = await request(`${probeUrl}/readyz`);
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
