// Defects that were planted to try the tests: one edit each, and the test that must notice it. The
// same list stands in docs/seeded-defects.md.

export interface SeededDefect {
  readonly defect: string;
  readonly file: string;
  /** Occurs once in the file. */
  readonly text: string;
  readonly replacement: string;
  readonly testFile: string;
  /** Title of the test that fails. */
  readonly title: string;
}

const decide = 'test/core/decide.test.ts';

export const seededDefects: readonly SeededDefect[] = [
  {
    defect: 'The weight goes before the verdict: the routes carry no rejection.',
    file: 'src/core/takeAway.ts',
    text: "commands.push(lower(target, mark, 'rejected', incident));",
    replacement: "commands.push(lower(target, mark, 'none', null));",
    testFile: decide,
    title: 'writes the routes first, and the verdict rides on that write',
  },
  {
    defect: 'A hold is not read from history: a breach is looked at like any other point.',
    file: 'src/sources/watched.ts',
    text: "if (level === 'Breach' || breach.state === 'suspect' || mayBreach) return true;",
    replacement: "if (level === 'Breach') return false;",
    testFile: 'test/sources/poller.test.ts',
    title: 'tells of a held breach at its very moment, urgently',
  },
  {
    defect: 'The service turns, and the pods drain, before the routes were read back.',
    file: 'src/core/takeAway.ts',
    text: 'const confirmed = known?.resolvedAt !== undefined;',
    replacement: 'const confirmed = true;',
    testFile: decide,
    title: 'turns no service and drains no pod before the routes were read back',
  },
  {
    defect: 'A step passes on NaN.',
    file: 'src/core/signals.ts',
    text: 'if (!Number.isFinite(perSecond)) return unknown',
    replacement: 'if (perSecond === Infinity) return unknown',
    testFile: decide,
    title: 'never advances on NaN',
  },
  {
    defect: 'The absence of one signal hides the breach of another.',
    file: 'src/core/verdicts.ts',
    text: "if (judgement.breach.state !== 'held') continue;",
    replacement:
      "if (judgement.breach.state !== 'held' || s.signals.some((one) => one.absence)) continue;",
    testFile: decide,
    title: 'sees a breach of one signal though another has no evidence',
  },
  {
    defect: 'A value at the limit counts as beyond it.',
    file: 'src/core/signals.ts',
    text: "signal.direction === 'above' ? value > limit",
    replacement: "signal.direction === 'above' ? value >= limit",
    testFile: 'test/core/signals.test.ts',
    title: 'is as bad as the highest limit that it is beyond, strictly',
  },
  {
    defect: 'Points count whose window reaches before the attempt.',
    file: 'src/sources/rows.ts',
    text: 'timeMs - windowMs >= attemptStartMs',
    replacement: 'timeMs >= attemptStartMs',
    testFile: 'test/sources/poller.test.ts',
    title: 'looks at a new canary soon, and asks about no time before its start',
  },
  {
    defect: 'Weight is given to a route that changed since the decision.',
    file: 'src/traffic/gatewayApi.ts',
    text: 'if (resourceVersion !== view.resourceVersion) {',
    replacement: 'if (resourceVersion === null) {',
    testFile: 'test/traffic/gatewayApi.test.ts',
    title: 'raises nothing on a route that changed since the decision',
  },
  {
    defect: 'The canary service turns while it carries weight.',
    file: 'src/core/advance.ts',
    text: 'if (s.carried === 0) return { ...finding, commands: [select] };',
    replacement: 'if (s.carried >= 0) return { ...finding, commands: [select] };',
    testFile: decide,
    title: 'turns the canary service only while no route gives it weight',
  },
  {
    defect: 'A verdict that only the route still knows is forgotten.',
    file: 'src/core/situation.ts',
    text: "if (route?.verdict === 'rejected' && route.mark?.uid === uid) {",
    replacement: 'if (route === undefined) {',
    testFile: 'test/core/verdict.test.ts',
    title: 'stands against the revision by the route alone',
  },
  {
    defect: 'Unknown points fill a hold.',
    file: 'src/core/holds.ts',
    text: 'const enough = run.length >= leastCoverage * (signal.forSeconds / stepSeconds);',
    replacement: 'const enough = run.length > 0;',
    testFile: 'test/core/holds.test.ts',
    title: 'is not filled by unknown points',
  },
  {
    defect: 'A hold counts from the patch of the route, not from its acceptance.',
    file: 'src/core/advance.ts',
    text: 'const pending = s.routes.find((route) => !route.accepted);',
    replacement: 'const pending = s.routes.find((route) => route.pairs.length === 0);',
    testFile: decide,
    title: 'counts the hold from the acceptance of the router',
  },
  {
    defect: 'The fields of the routes go back before the canary is drained.',
    file: 'src/core/handBack.ts',
    text: 'view.deleting || view.replicas === 0',
    replacement: 'view.deleting || view.replicas >= 0',
    testFile: 'test/core/handBack.test.ts',
    title: 'stands from the first weight until the canary of a rollback is drained',
  },
];
