// The CEL rules of one signal: what it must name, how its limits are written and ordered. Those of
// the rest of the spec are in rules.ts.

import { BYTES_PATTERN, DECIMAL_PATTERN, DURATION_PATTERN, RATIO_PATTERN } from './limits.ts';
import type { ManifestPatch, Rule } from './rule.ts';
import { BUILT_IN_NAMES, BUILT_IN_SIGNALS, COUNTED_SIGNALS, LOW_SIGNALS } from './runbook.ts';

const names = (list: readonly string[]): string =>
  `self.name in [${list.map((name) => `'${name}'`).join(', ')}]`;
const BUILT_IN = names(BUILT_IN_NAMES);
const ABOVE = '[?self.?warning.?above, ?self.?critical.?above, ?self.?rollback.?above]';
const BELOW = '[?self.?rollback.?below, ?self.?critical.?below, ?self.?warning.?below]';
/** The unit of a signal: its own, or that of the built-in signal of its name. */
const UNIT = `self.?unit.orValue({${BUILT_IN_NAMES.map(
  (name) => `'${name}': '${BUILT_IN_SIGNALS[name].unit}'`,
).join(', ')}}[?self.name].orValue(''))`;

const spec = (fields: ManifestPatch): ManifestPatch => ({ spec: fields });
const signal = (fields: ManifestPatch): ManifestPatch => spec({ signals: [fields] });
const custom = (fields: ManifestPatch): ManifestPatch =>
  signal({ name: 'queue', unit: 'count', query: 'sum(q)', ...fields });
export const limitHasOneDirection: Rule = {
  name: 'limitHasOneDirection',
  rule: 'has(self.above) != has(self.below)',
  message: 'a limit is either above or below',
  accepted: custom({ critical: { below: '5' } }),
  rejected: custom({ critical: { above: '9', below: '5' } }),
  on: 'create',
};

export const builtInHasNoQuery: Rule = {
  name: 'builtInHasNoQuery',
  rule: `!(${BUILT_IN}) || (!has(self.unit) && !has(self.query))`,
  message: 'a signal of the runbook has its own unit and query',
  accepted: signal({ name: 'errorRate', minRequests: 10 }),
  rejected: signal({ name: 'errorRate', query: 'up' }),
  on: 'create',
};

export const customIsComplete: Rule = {
  name: 'customIsComplete',
  rule:
    `${BUILT_IN} || (has(self.unit) && has(self.query) && ` +
    '(has(self.warning) || has(self.critical) || has(self.rollback)))',
  message: 'a custom signal needs a unit, a query and at least one limit',
  accepted: custom({ warning: { above: '3' } }),
  rejected: custom({}),
  on: 'create',
};

export const customRollbackHasHold: Rule = {
  name: 'customRollbackHasHold',
  rule: `${BUILT_IN} || !has(self.rollback) || has(self.rollback.for)`,
  message: 'the rollback limit of a custom signal needs for',
  accepted: custom({ rollback: { above: '3', for: '1m' } }),
  rejected: custom({ rollback: { above: '3' } }),
  on: 'create',
};

export const minRequestsOnlyBuiltIn: Rule = {
  name: 'minRequestsOnlyBuiltIn',
  rule: `!has(self.minRequests) || ${names(COUNTED_SIGNALS)}`,
  message: 'minRequests is for errorRate and latencyP95; other signals count no requests',
  accepted: signal({ name: 'latencyP95', minRequests: 20 }),
  rejected: custom({ warning: { above: '3' }, minRequests: 20 }),
  on: 'create',
};

export const absentNumeratorOnlyCustom: Rule = {
  name: 'absentNumeratorOnlyCustom',
  rule: `!has(self.absentNumerator) || !(${BUILT_IN})`,
  message: 'absentNumerator is for custom signals',
  accepted: custom({ warning: { above: '3' }, absentNumerator: 'Zero' }),
  rejected: signal({ name: 'errorRate', absentNumerator: 'Zero' }),
  on: 'create',
};

export const builtInLimitsAreAbove: Rule = {
  name: 'builtInLimitsAreAbove',
  rule: `!(${BUILT_IN}) || ${names(LOW_SIGNALS)} || ${BELOW}.size() == 0`,
  message: 'limits of this signal are above',
  accepted: signal({ name: 'errorRate', rollback: { above: '8%' } }),
  rejected: signal({ name: 'memory', rollback: { below: '8M' } }),
  on: 'create',
};

export const builtInLimitsAreBelow: Rule = {
  name: 'builtInLimitsAreBelow',
  rule: `!(${names(LOW_SIGNALS)}) || ${ABOVE}.size() == 0`,
  message: 'limits of availability and throughput are below',
  accepted: signal({ name: 'throughput', critical: { below: '100' } }),
  rejected: signal({ name: 'availability', critical: { above: '50%' } }),
  on: 'create',
};

export const limitsShareDirection: Rule = {
  name: 'limitsShareDirection',
  rule: `${ABOVE}.size() == 0 || ${BELOW}.size() == 0`,
  message: 'the limits of a signal are all above or all below',
  accepted: custom({ warning: { below: '9' }, critical: { below: '5' } }),
  rejected: custom({ warning: { above: '9' }, critical: { below: '5' } }),
  on: 'create',
};

/** What a unit's limits look like and how CEL makes comparable values of them. */
interface UnitGrammar {
  readonly units: readonly string[];
  readonly pattern: string;
  readonly value: string;
  readonly words: string;
  /**
   * Two limits, the smaller one first; a comparison of their texts would put them the other way.
   */
  readonly low: string;
  readonly high: string;
  /** What people write by mistake. */
  readonly malformed: string;
}

const GRAMMARS = {
  Ratio: {
    units: ['ratio'],
    pattern: RATIO_PATTERN,
    value: "double(l.replace('%', ''))",
    words: 'a ratio is written as 0% to 100% with up to three decimals',
    low: '9.5%',
    high: '10%',
    malformed: '0.1',
  },
  Seconds: {
    units: ['seconds'],
    pattern: DURATION_PATTERN,
    value: 'duration(l)',
    words: 'seconds are written as a duration such as 500ms',
    low: '900ms',
    high: '1s',
    malformed: '0.5',
  },
  Bytes: {
    units: ['bytes'],
    pattern: BYTES_PATTERN,
    value: 'quantity(l).asApproximateFloat()',
    words: 'bytes are written as a quantity such as 2400M or 2Gi',
    low: '2400M',
    high: '2.5Gi',
    malformed: '2400MB',
  },
  Number: {
    units: ['count', 'perSecond'],
    pattern: DECIMAL_PATTERN,
    value: 'double(l)',
    words: 'count and perSecond are written as a decimal such as 6800 or 0.5',
    low: '9.5',
    high: '10',
    malformed: '10%',
  },
} as const satisfies Record<string, UnitGrammar>;

type GrammarName = keyof typeof GRAMMARS;

/**
 * A signal of the unit; a built-in one where there is one, since rules find its unit by its name.
 */
function signalOf(label: GrammarName, limits: ManifestPatch): ManifestPatch {
  if (label === 'Ratio') return signal({ name: 'errorRate', ...limits });
  if (label === 'Seconds') return signal({ name: 'latencyP95', ...limits });
  return custom({ unit: GRAMMARS[label].units[0], ...limits });
}

function limitsParse(label: GrammarName): Rule {
  const { units, pattern, words, low, high, malformed } = GRAMMARS[label];
  const of = (critical: string): ManifestPatch =>
    signalOf(label, { warning: { above: low }, critical: { above: critical } });
  return {
    name: `limitsParse${label}`,
    rule:
      `!(${UNIT} in ${celList(units)}) || (${ABOVE}.all(l, l.matches('${pattern}')) && ` +
      `${BELOW}.all(l, l.matches('${pattern}')))`,
    message: words,
    accepted: of(high),
    rejected: of(malformed),
    on: 'create',
  };
}

/** Malformed limits pass here, so that the user reads about their form alone. */
function orderRule(label: GrammarName, limits: string): string {
  const { units, pattern, value } = GRAMMARS[label];
  return (
    `!(${UNIT} in ${celList(units)}) || !${limits}.all(l, l.matches('${pattern}')) || ` +
    `${limits}.map(l, ${value}).isSorted()`
  );
}

function limitsRise(label: GrammarName): Rule {
  const { low, high } = GRAMMARS[label];
  const of = (warning: string, rollback: string): ManifestPatch =>
    signalOf(label, { warning: { above: warning }, rollback: { above: rollback, for: '1m' } });
  return {
    name: `limitsRise${label}`,
    rule: orderRule(label, ABOVE),
    message: 'limits above must not fall from warning to critical to rollback',
    accepted: of(low, high),
    rejected: of(high, low),
    on: 'create',
  };
}

function limitsSink(label: GrammarName): Rule {
  const { units, low, high } = GRAMMARS[label];
  const of = (critical: string, rollback: string): ManifestPatch =>
    custom({
      unit: units[0],
      critical: { below: critical },
      rollback: { below: rollback, for: '1m' },
    });
  return {
    name: `limitsSink${label}`,
    rule: orderRule(label, BELOW),
    message: 'limits below must not rise from warning to critical to rollback',
    accepted: of(high, low),
    rejected: of(low, high),
    on: 'create',
  };
}

function celList(words: readonly string[]): string {
  return `[${words.map((word) => `'${word}'`).join(', ')}]`;
}

/** The rules of one signal, in the order in which the API server reports them. */
export const signalRules: readonly Rule[] = [
  builtInHasNoQuery,
  customIsComplete,
  customRollbackHasHold,
  minRequestsOnlyBuiltIn,
  absentNumeratorOnlyCustom,
  builtInLimitsAreAbove,
  builtInLimitsAreBelow,
  limitsShareDirection,
  ...(Object.keys(GRAMMARS) as GrammarName[]).flatMap((label) => [
    limitsParse(label),
    limitsRise(label),
    limitsSink(label),
  ]),
];
