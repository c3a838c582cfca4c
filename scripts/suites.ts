// The suites of mocha tests: which files belong to which, and how one is run. What the results add
// up to stands in summary.ts.
import { spawn, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { missingForNode, missingForSandbox } from '../test/cluster/requirements.ts';
import type { SuiteRun } from './summary.ts';

/** The tests that one mocha process runs. */
export interface Suite {
  readonly name: string;
  /** Paths of test files, relative to the folder of the project. */
  readonly files: readonly string[];
  /** Why this machine cannot run the suite, as a sentence; undefined when it can. */
  readonly obstacle: () => string | undefined;
  readonly sandboxed: boolean;
  /** For a test that sets no time-out itself. */
  readonly testTimeoutMs: number;
  /** After this the whole run is ended and counts as crashed. */
  readonly limitMinutes: number;
}

/** Where and how a suite is run. */
export interface RunOptions {
  /** Folder for the JSON report. */
  readonly reportsFolder: string;
  /** Finds and counts the tests without running them. */
  readonly dryRun?: boolean;
  /** Path of the reporter; the project's own unless a test puts another in its place. */
  readonly reporter?: string;
  /** Keeps the output off the terminal. */
  readonly quiet?: boolean;
}

const root = join(import.meta.dirname, '..');
const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
const ownReporter = join(import.meta.dirname, 'reporter.ts');
const graceMs = 20_000;
const clusterFolder = 'test/cluster/';

/** All test files of the project, sorted. */
export function testFiles(): readonly string[] {
  return globSync('test/**/*.test.ts', { cwd: root }).toSorted();
}

/**
 * Sorts test files into suites, in the order in which they run; a suite without a file is left out.
 */
export function suitesOf(files: readonly string[]): readonly Suite[] {
  const inCluster = files.filter((file) => file.startsWith(clusterFolder));
  const named = (kind: string): readonly string[] =>
    inCluster.filter((file) => basename(file).endsWith(`.${kind}.test.ts`));
  const [onGateway, installing] = [named('gateway'), named('install')];
  const cluster = { sandboxed: true, testTimeoutMs: 120_000, limitMinutes: 45 } as const;
  const suites: readonly Suite[] = [
    {
      name: 'unit',
      files: files.filter((file) => !file.startsWith(clusterFolder)),
      obstacle: () => undefined,
      sandboxed: false,
      testTimeoutMs: 20_000,
      limitMinutes: 10,
    },
    {
      ...cluster,
      name: 'control-plane',
      files: inCluster.filter((file) => ![...onGateway, ...installing].includes(file)),
      obstacle: sandboxObstacle,
    },
    { ...cluster, name: 'gateway', files: onGateway, obstacle: nodeObstacle },
    // A cluster of their own: they install the operator, which others start as a process.
    { ...cluster, name: 'install', files: installing, obstacle: nodeObstacle },
  ];
  return suites.filter((suite) => suite.files.length > 0);
}

/** Runs a suite in a mocha process of its own. Never rejects: how the run ended is data. */
export async function runSuite(suite: Suite, options: RunOptions): Promise<SuiteRun> {
  const reportPath = join(options.reportsFolder, `${suite.name}.json`);
  mkdirSync(options.reportsFolder, { recursive: true });
  rmSync(reportPath, { force: true });
  const [program = '', ...args] = commandOf(suite, options, reportPath);
  const output = options.quiet ? 'ignore' : 'inherit';
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', output, output] });
  const limit = setTimeout(() => {
    console.error(`${suite.name}: not done after ${suite.limitMinutes} minutes, so it is ended`);
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), graceMs).unref();
  }, suite.limitMinutes * 60_000);
  const ending = await new Promise<Pick<SuiteRun, 'exitCode' | 'signal'>>((resolve) => {
    child.once('error', () => resolve({ exitCode: 127, signal: null }));
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }));
  });
  clearTimeout(limit);
  return { suite: suite.name, ...ending, report: readIfThere(reportPath) };
}

function commandOf(suite: Suite, options: RunOptions, reportPath: string): readonly string[] {
  const dryRun = options.dryRun ?? false;
  const reporter = dryRun ? 'json' : (options.reporter ?? ownReporter);
  return [
    ...endsWithParent(),
    process.execPath,
    ...(suite.sandboxed && !dryRun ? ['test/cluster/sandbox.ts', '--', process.execPath] : []),
    mocha,
    '--fail-zero',
    '--forbid-only',
    `--timeout=${suite.testTimeoutMs}`,
    `--reporter=${reporter}`,
    `--reporter-option=output=${reportPath}`,
    ...(dryRun ? ['--dry-run'] : []),
    ...suite.files,
  ];
}

function endsWithParent(): readonly string[] {
  return process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL'] : [];
}

function sandboxObstacle(): string | undefined {
  const [missing] = missingForSandbox();
  if (missing !== undefined) return `${missing.what} is missing; ${missing.remedy}`;
  const probe = spawnSync('unshare', [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--mount-proc',
    'true',
  ]);
  return probe.status === 0 ? undefined : 'this machine does not let root make namespaces';
}

function nodeObstacle(): string | undefined {
  const [missing] = missingForNode();
  return sandboxObstacle() ?? (missing && `${missing.what} is missing; ${missing.remedy}`);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
