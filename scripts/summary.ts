// Sums what mocha runs left behind into passed, failed and skipped. It is pure: a run that crashed,
// left no report or ran nothing is a failure here, never silence.
import * as z from 'zod';

/** How one mocha process ended, and the text of the JSON report it left, if it left one. */
export interface SuiteRun {
  readonly suite: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly report: string | undefined;
}

/** One test and how long it took, in milliseconds. */
export interface TimedTest {
  readonly title: string;
  readonly durationMs: number;
}

/**
 * Counts of tests, a sentence for each failure, and how long each test took.
 */
export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly problems: readonly string[];
  readonly tests: readonly TimedTest[];
}

// Mocha leaves the duration out for a test that never ran to an end.
const testSchema = z.object({ fullTitle: z.string(), duration: z.number().optional() });
const failureSchema = z.object({
  fullTitle: z.string(),
  err: z.object({ message: z.string().optional() }),
});
const reportSchema = z.object({
  stats: z.object({
    passes: z.int().min(0),
    failures: z.int().min(0),
    pending: z.int().min(0),
  }),
  tests: z.array(testSchema),
  failures: z.array(failureSchema),
});

type Report = z.infer<typeof reportSchema>;

/** A tally of one failure that is not a test's; the problem is a sentence for the terminal. */
export function failure(problem: string): Tally {
  return { passed: 0, failed: 1, skipped: 0, problems: [problem], tests: [] };
}

/**
 * What one mocha run counts for. Each of these adds one failure: no readable report; no test in it;
 * ended by a signal; an exit code other than 0 although no test failed. Pending tests count as
 * skipped.
 */
export function tallyRun(run: SuiteRun): Tally {
  const report = parseReport(run.report);
  if (report === undefined) return failure(`${run.suite} left no readable report (${ending(run)})`);
  const { passes, failures, pending } = report.stats;
  const problem = problemOf(run, report);
  const failedTests = report.failures.map(
    ({ fullTitle, err }) => `${fullTitle}: ${firstLineOf(err.message ?? 'no message')}`,
  );
  return {
    passed: passes,
    failed: failures + (problem === undefined ? 0 : 1),
    skipped: pending,
    problems: [...failedTests, ...(problem === undefined ? [] : [problem])].map(
      (text) => `${run.suite} ${text}`,
    ),
    tests: report.tests.map((test) => ({
      title: `${run.suite}: ${test.fullTitle}`,
      durationMs: test.duration ?? 0,
    })),
  };
}

/**
 * The tests of a dry run, counted as skipped, or as failed where they are required; the reason is
 * kept as a problem.
 */
export function tallyUnrun(run: SuiteRun, reason: string, required: boolean): Tally {
  const { passed, failed, skipped, problems } = tallyRun(run);
  const problem = `${run.suite} did not run: ${reason}`;
  return {
    passed: 0,
    failed: failed + (required ? passed : 0),
    skipped: skipped + (required ? 0 : passed),
    problems: [problem, ...problems],
    tests: [],
  };
}

/** The sum of several tallies. */
export function sumTallies(tallies: readonly Tally[]): Tally {
  const total = (count: (tally: Tally) => number): number =>
    tallies.reduce((sum, tally) => sum + count(tally), 0);
  return {
    passed: total((tally) => tally.passed),
    failed: total((tally) => tally.failed),
    skipped: total((tally) => tally.skipped),
    problems: tallies.flatMap((tally) => tally.problems),
    tests: tallies.flatMap((tally) => tally.tests),
  };
}

/** The slowest tests, slowest first. */
export function slowestTests(tests: readonly TimedTest[], count: number): readonly TimedTest[] {
  return tests.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, count);
}

/** The last line of a test run. */
export function closingLine(tally: Tally): string {
  return `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`;
}

function parseReport(text: string | undefined): Report | undefined {
  if (text === undefined) return undefined;
  try {
    return reportSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function problemOf(run: SuiteRun, report: Report): string | undefined {
  const { passes, failures, pending } = report.stats;
  if (passes + failures + pending === 0) return `ran no test (${ending(run)})`;
  if (run.signal !== null) return `crashed (${ending(run)})`;
  if (run.exitCode !== 0 && failures === 0) return `failed outside its tests (${ending(run)})`;
  return undefined;
}

function firstLineOf(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}

function ending(run: SuiteRun): string {
  return run.signal === null ? `exit code ${run.exitCode}` : `ended by ${run.signal}`;
}
