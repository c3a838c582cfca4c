// docs/scenarios.md against the tests: every scenario it names a test for has one of that name in
// that file, and every scenario that has a test is named.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { listedScenarios, unrunScenarios } from '../../scripts/scenarios.ts';

const root = join(import.meta.dirname, '..', '..');
const scenarioCount = 30;

const markdown = readFileSync(join(root, 'docs', 'scenarios.md'), 'utf8');
const listed = listedScenarios(markdown);

/** By number: the files whose tests bear it in their titles. */
function written(): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>();
  for (const file of globSync('test/cluster/**/*.test.ts', { cwd: root })) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, number] of text.matchAll(/\b(?:it|beside)\(\s*['"`]scenario (\d+):/g)) {
      const files = found.get(Number(number)) ?? [];
      // A scenario may take several tests, in one file.
      found.set(Number(number), files.includes(file) ? files : [...files, file]);
    }
  }
  return found;
}

describe('the list of scenarios', () => {
  it('has every number once', () => {
    const numbers = [...listed.keys()];
    expect(numbers).to.deep.equal(Array.from({ length: scenarioCount }, (_, i) => i + 1));
  });

  it('names for each scenario the file that tests it, or nothing but planned', () => {
    const tests = written();
    const wanted = [...listed].map(([number, test]) => [number, test]);
    const there = [...listed.keys()].map((number) => [
      number,
      tests.get(number)?.join(', ') ?? 'planned',
    ]);
    expect(there).to.deep.equal(wanted);
  });

  it('misses a scenario that did not run', () => {
    const table =
      '| 7 | Twice. | a.test.ts |\n| 8 | Newer. | b.test.ts |\n| 9 | Bad. | planned |\n';
    expect(unrunScenarios(table, ['node: judging scenario 8: takes'])).to.deep.equal([
      'scenario 7 of a.test.ts did not run',
    ]);
  });
});
