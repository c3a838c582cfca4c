// Reads docs/scenarios.md and says which of the scenarios it names a test for did not run.

/** By number: the file of the test, or 'planned'. */
export function listedScenarios(markdown: string): ReadonlyMap<number, string> {
  const rows = markdown.matchAll(/^\| *(\d+) *\|.*\| *([^|]+?) *\|$/gm);
  return new Map([...rows].map(([, number, test]) => [Number(number), test ?? '']));
}

/** A problem for each scenario with a test that is not among the titles of a whole run. */
export function unrunScenarios(markdown: string, titles: readonly string[]): readonly string[] {
  return [...listedScenarios(markdown)].flatMap(([number, test]) => {
    const ran = titles.some((title) => title.includes(` scenario ${number}: `));
    return test === 'planned' || ran ? [] : [`scenario ${number} of ${test} did not run`];
  });
}
