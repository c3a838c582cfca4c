// Runs the project's checks and suites in order and prints, as the very last line, how many tests
// passed, failed and were skipped. It decides nothing about what counts as what: that stands in
// summary.ts.
//
//   node scripts/test.ts all|unit|cluster [TEST FILE…]
//
// Exit code: 0 when nothing failed, 1 when something did, 2 for a wrong call.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unrunScenarios } from './scenarios.ts';
import { closingLine, failure, slowestTests, sumTallies, tallyRun, tallyUnrun } from './summary.ts';
import type { Tally } from './summary.ts';
import { runSuite, suitesOf, testFiles } from './suites.ts';
import type { Suite } from './suites.ts';

const reportsFolder = join(import.meta.dirname, '../reports');

/** A command that must succeed before the suites count as whole. */
interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

/** Which steps and suites one way of calling this script runs. */
interface Scope {
  readonly steps: readonly Step[];
  readonly wants: (suite: Suite) => boolean;
}

const lint: Step = { name: 'lint', command: ['lint.ts'] };
const build: Step = { name: 'build', command: ['build.ts'] };
const verify: Step = { name: 'verify', command: ['generate.ts', '--check'] };
const scopes: ReadonlyMap<string, Scope> = new Map([
  ['all', { steps: [build, lint, verify], wants: () => true }],
  ['unit', { steps: [], wants: (suite: Suite) => !suite.sandboxed }],
  ['cluster', { steps: [build], wants: (suite: Suite) => suite.sandboxed }],
]);

function heading(text: string): void {
  console.log(`\n== ${text}`);
}

/**
 * Runs another script of this folder; one that fails counts as one failure, and the run goes on.
 */
function runStep({ name, command: [script = '', ...args] }: Step): Tally {
  heading(name);
  const path = join(import.meta.dirname, script);
  const { status } = spawnSync(process.execPath, [path, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status === 0 ? sumTallies([]) : failure(`${name} failed`);
}

async function runOrSkip(suite: Suite): Promise<Tally> {
  heading(`${suite.name}: ${suite.files.length} files`);
  const obstacle = suite.obstacle();
  if (obstacle === undefined) return tallyRun(await runSuite(suite, { reportsFolder }));
  const required = process.env['CI'] === 'true';
  console.log(`NOT RUN${required ? ', though CI requires it' : ''}: ${obstacle}`);
  const dryRun = await runSuite(suite, { reportsFolder, dryRun: true });
  return tallyUnrun(dryRun, obstacle, required);
}

/** A machine that can't run clusters has counted their tests as skipped already. */
function scenariosMissedBy({ tests, skipped }: Tally): readonly Tally[] {
  if (skipped > 0) return [];
  const markdown = readFileSync(join(import.meta.dirname, '../docs/scenarios.md'), 'utf8');
  return unrunScenarios(
    markdown,
    tests.map(({ title }) => title),
  ).map(failure);
}

function printSummary(tally: Tally): void {
  heading('the ten slowest tests');
  for (const { title, durationMs } of slowestTests(tally.tests, 10)) {
    console.log(`${(durationMs / 1000).toFixed(2).padStart(8)} s  ${title}`);
  }
  if (tally.problems.length > 0) heading('problems');
  for (const problem of tally.problems) console.log(problem);
  writeFileSync(join(reportsFolder, 'summary.txt'), `${closingLine(tally)}\n`);
  console.log(`\n${closingLine(tally)}`);
}

async function main(): Promise<number> {
  const [name = '', ...files] = process.argv.slice(2);
  const scope = scopes.get(name);
  if (scope === undefined) {
    console.error('usage: node scripts/test.ts all|unit|cluster [TEST FILE…]');
    return 2;
  }
  // Part of the tests may run beside another part in this folder, and each suite removes its own
  // report.
  if (name === 'all') rmSync(reportsFolder, { recursive: true, force: true });
  mkdirSync(reportsFolder, { recursive: true });
  const tallies = scope.steps.map(runStep);
  const suites = suitesOf(files.length > 0 ? files : testFiles()).filter(scope.wants);
  if (suites.length === 0) tallies.push(failure(`no test file for ${name}`));
  for (const suite of suites) tallies.push(await runOrSkip(suite));
  if (name === 'all') tallies.push(...scenariosMissedBy(sumTallies(tallies)));
  const tally = sumTallies(tallies);
  printSummary(tally);
  return tally.failed > 0 ? 1 : 0;
}

process.exitCode = await main();
