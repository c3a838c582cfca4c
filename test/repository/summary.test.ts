// How mocha runs add up to the closing line: first on reports made here, then on real mocha
// processes that end badly.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import {
  closingLine,
  failure,
  slowestTests,
  sumTallies,
  tallyRun,
  tallyUnrun,
} from '../../scripts/summary.ts';
import type { SuiteRun } from '../../scripts/summary.ts';
import { runSuite, suitesOf } from '../../scripts/suites.ts';

function report(passes: number, failures = 0, pending = 0): string {
  const tests = Array.from({ length: passes }, (_, i) => ({ fullTitle: `t${i}`, duration: i }));
  const failed = Array.from({ length: failures }, (_, i) => ({
    fullTitle: `f${i}`,
    err: { message: 'expected 1 to equal 2\nat a place' },
  }));
  return JSON.stringify({ stats: { passes, failures, pending }, tests, failures: failed });
}

function run(change: Partial<SuiteRun>): SuiteRun {
  return { suite: 'unit', exitCode: 0, signal: null, report: report(3), ...change };
}

const cases: readonly (readonly [string, Partial<SuiteRun>, string])[] = [
  ['all passed', {}, '3 passed, 0 failed, 0 skipped'],
  [
    'failed tests, with the exit code they cause',
    { exitCode: 2, report: report(3, 2) },
    '3 passed, 2 failed, 0 skipped',
  ],
  ['pending tests', { report: report(3, 0, 2) }, '3 passed, 0 failed, 2 skipped'],
  ['only pending tests', { report: report(0, 0, 2) }, '0 passed, 0 failed, 2 skipped'],
  ['no report, exit code 0', { report: undefined }, '0 passed, 1 failed, 0 skipped'],
  ['no report, exit code 1', { exitCode: 1, report: undefined }, '0 passed, 1 failed, 0 skipped'],
  [
    'a crash without a report',
    { exitCode: null, signal: 'SIGKILL', report: undefined },
    '0 passed, 1 failed, 0 skipped',
  ],
  [
    'a crash after the report',
    { exitCode: null, signal: 'SIGSEGV', report: report(3, 2) },
    '3 passed, 3 failed, 0 skipped',
  ],
  ['a bad end without a failed test', { exitCode: 7 }, '3 passed, 1 failed, 0 skipped'],
  ['an empty report file', { report: '' }, '0 passed, 1 failed, 0 skipped'],
  ['half a report', { report: report(3).slice(0, -9) }, '0 passed, 1 failed, 0 skipped'],
  ['JSON that is no report', { report: '{"stats":{}}' }, '0 passed, 1 failed, 0 skipped'],
  ['no test at all', { exitCode: 1, report: report(0) }, '0 passed, 1 failed, 0 skipped'],
  ['no test and exit code 0', { report: report(0) }, '0 passed, 1 failed, 0 skipped'],
];

describe('the closing line', () => {
  for (const [name, change, line] of cases) {
    it(`counts ${name}`, () => {
      const tally = tallyRun(run(change));
      expect(closingLine(tally)).to.equal(line);
    });
  }

  it('names what failed, in the tests and outside them', () => {
    expect(tallyRun(run({ exitCode: 7 })).problems.join())
      .to.include('unit')
      .and.include('7');
    expect(tallyRun(run({ exitCode: 2, report: report(3, 2) })).problems).to.deep.equal([
      'unit f0: expected 1 to equal 2',
      'unit f1: expected 1 to equal 2',
    ]);
  });

  it('is the sum of its parts', () => {
    const part = fc.record({ passed: fc.nat(), failed: fc.nat(), skipped: fc.nat() });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const sum = sumTallies(parts.map((counts) => ({ ...counts, problems: [], tests: [] })));
        for (const count of ['passed', 'failed', 'skipped'] as const) {
          expect(sum[count]).to.equal(parts.reduce((total, tally) => total + tally[count], 0));
        }
      }),
    );
  });

  it('counts a failed step as one failure', () => {
    const sum = sumTallies([failure('lint failed'), tallyRun(run({}))]);
    expect(closingLine(sum)).to.equal('3 passed, 1 failed, 0 skipped');
    expect(sum.problems).to.deep.equal(['lint failed']);
  });

  it('counts tests that cannot run here as skipped, and as failed where they must run', () => {
    const laptop = tallyUnrun(run({}), 'root is missing', false);
    expect(closingLine(laptop)).to.equal('0 passed, 0 failed, 3 skipped');
    expect(laptop.problems).to.deep.equal(['unit did not run: root is missing']);
    const required = tallyUnrun(run({}), 'root is missing', true);
    expect(closingLine(required)).to.equal('0 passed, 3 failed, 0 skipped');
    const broken = tallyUnrun(run({ report: undefined }), 'root is missing', false);
    expect(closingLine(broken)).to.equal('0 passed, 1 failed, 0 skipped');
  });

  it('is preceded by the slowest tests, slowest first', () => {
    const { tests } = tallyRun(run({ report: report(30) }));
    const titles = slowestTests(tests, 10).map(({ title }) => title);
    expect(titles).to.have.lengthOf(10);
    expect(titles.slice(0, 2)).to.deep.equal(['unit: t29', 'unit: t28']);
  });
});

describe('the suites', () => {
  it('take every test file exactly once, by folder and name', () => {
    const files = [
      'test/core/a.test.ts',
      'test/cluster/b.test.ts',
      'test/cluster/scenarios/c.gateway.test.ts',
      'test/clusters.test.ts',
    ];
    const suites = suitesOf(files).map((suite) => [suite.name, ...suite.files]);
    expect(suites).to.deep.equal([
      ['unit', 'test/core/a.test.ts', 'test/clusters.test.ts'],
      ['control-plane', 'test/cluster/b.test.ts'],
      ['gateway', 'test/cluster/scenarios/c.gateway.test.ts'],
    ]);
  });
});

const ownReporter = join(import.meta.dirname, '../../scripts/reporter.ts');

// The text of a test file, how it counts, and what stands in a reporter of its own where the
// project's is not used.
const realRuns: readonly (readonly [string, string, string, string?])[] = [
  ['a passing test', "it('a', () => {});", '1 passed, 0 failed, 0 skipped'],
  ['a failing test', "it('a', () => { throw new Error('x'); });", '0 passed, 1 failed, 0 skipped'],
  ['a pending test', "it('a'); it('b', () => {});", '1 passed, 0 failed, 1 skipped'],
  ['no test', 'export {};', '0 passed, 1 failed, 0 skipped'],
  ['a file that does not load', "throw new Error('x');", '0 passed, 1 failed, 0 skipped'],
  [
    'an exit in the middle',
    "it('a', () => { process.exit(0); });",
    '0 passed, 1 failed, 0 skipped',
  ],
  [
    'a process that is killed',
    "it('a', () => { process.kill(process.pid, 'SIGKILL'); });",
    '0 passed, 1 failed, 0 skipped',
  ],
  [
    'an exclusive test',
    "describe('d', () => { it.only('a', () => {}); });",
    '0 passed, 1 failed, 0 skipped',
  ],
  [
    'a reporter that throws when it is made',
    "it('a', () => {});",
    '0 passed, 1 failed, 0 skipped',
    "module.exports = class { constructor() { throw new Error('x'); } };",
  ],
  [
    'a reporter that throws in the middle, though the report is whole',
    "it('a', () => {});",
    '0 passed, 1 failed, 0 skipped',
    `const Own = require(${JSON.stringify(ownReporter)});
     module.exports = class extends Own {
       constructor(runner, options) {
         super(runner, options);
         runner.once('pass', () => { throw new Error('x'); });
       }
     };`,
  ],
  [
    'a reporter that throws at the end',
    "it('a', () => {});",
    '0 passed, 1 failed, 0 skipped',
    `module.exports = class {
       constructor(runner) {
         runner.once('end', () => { throw new Error('x'); });
       }
     };`,
  ],
];

describe('a real mocha run', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'x0tta-summary-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [name, text, line, reporterText] of realRuns) {
    it(`counts ${name}`, async () => {
      const file = join(folder, 'a.test.ts');
      const [suite] = suitesOf([file]);
      if (suite === undefined) throw new Error('no suite takes the file');
      writeFileSync(file, text);
      const reporter = join(folder, 'reporter.cjs');
      if (reporterText !== undefined) writeFileSync(reporter, reporterText);
      const ended = await runSuite(suite, {
        reportsFolder: folder,
        quiet: true,
        ...(reporterText === undefined ? {} : { reporter }),
      });
      expect(closingLine(tallyRun(ended))).to.equal(line);
    });
  }
});
