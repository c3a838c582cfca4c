// From a spec to the policy that core judges by: numbers in SI base units, the runbook's limits
// where the object names none. It reads no cluster and knows no scrape interval.

import { parseDuration, parseLimit, formatValue } from './quantities.ts';
import type { Parsed } from './quantities.ts';
import type { LimitSpec, NoDataPolicy, SignalSpec, Spec, Unit } from './schema.ts';

/** A signal with its limits in the SI base unit of `unit`; ratios are 0 to 1. */
export interface ResolvedSignal {
  readonly name: string;
  /** The runbook's alert; for a custom signal its name in capitals with underscores. */
  readonly alert: string;
  readonly kind: 'errorRate' | 'latencyP95' | 'custom';
  readonly unit: Unit;
  /** Which side of a limit is beyond it; strictly. */
  readonly direction: 'above' | 'below';
  readonly warning: number | null;
  readonly critical: number | null;
  readonly rollback: number | null;
  /** How long `rollback` must be exceeded; 0 when there is no rollback limit. */
  readonly forSeconds: number;
  /** Requests needed within the hold; 0 for a custom signal, whose query counts none. */
  readonly minRequests: number;
  readonly noData: NoDataPolicy;
  /** Range of the rates; null lets the hold and the scrape interval decide. */
  readonly windowSeconds: number | null;
  /** PromQL of a custom signal, else null. */
  readonly query: string | null;
  /** Whether an advance waits for its evidence. */
  readonly needed: boolean;
}

export interface PolicyStep {
  readonly weight: number;
  /** 0 for a step that only an approval ends. */
  readonly holdSeconds: number;
  readonly needsApproval: boolean;
}

/** A spec with every default in place. */
export interface Policy {
  readonly replicas: number;
  readonly steps: readonly PolicyStep[];
  /** How long the canary is judged at 100 %: the bake, and no less than the longest hold. */
  readonly bakeSeconds: number;
  /** Verdicts are written down and nothing else. */
  readonly observeOnly: boolean;
  /** Pods that may be there above, and missing below, `replicas` while pod counts move. */
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly drainDelaySeconds: number;
  readonly progressDeadlineSeconds: number;
  readonly minReadySeconds: number;
  readonly revisionHistoryLimit: number;
  /** The built-in signals first, then the custom ones in the order of the spec. */
  readonly signals: readonly ResolvedSignal[];
}

export type PolicyResult =
  | { readonly kind: 'ok'; readonly policy: Policy }
  /** Each message begins with the path of its field. */
  | { readonly kind: 'invalid'; readonly messages: readonly string[] };

interface SignalDefaults {
  readonly kind: ResolvedSignal['kind'];
  readonly alert: string;
  readonly unit: Unit;
  readonly warning: number | null;
  readonly critical: number | null;
  readonly rollback: number | null;
  readonly forSeconds: number;
  readonly minRequests: number;
  readonly noData: NoDataPolicy;
}

/** A row of the runbook: it has every limit. */
interface BuiltInSignal extends SignalDefaults {
  readonly warning: number;
  readonly critical: number;
  readonly rollback: number;
}

const ERROR_RATE: BuiltInSignal = {
  kind: 'errorRate',
  alert: 'HIGH_ERROR_RATE',
  unit: 'ratio',
  warning: 0.01,
  critical: 0.05,
  rollback: 0.1,
  forSeconds: 300,
  minRequests: 50,
  noData: 'Hold',
};

const LATENCY_P95: BuiltInSignal = {
  kind: 'latencyP95',
  alert: 'HIGH_LATENCY',
  unit: 'seconds',
  warning: 0.15,
  critical: 0.2,
  rollback: 0.5,
  forSeconds: 600,
  minRequests: 50,
  noData: 'Hold',
};

/** The runbook's rows for the signals that are judged without being listed. */
export const BUILT_IN_SIGNALS: Readonly<Record<'errorRate' | 'latencyP95', BuiltInSignal>> = {
  errorRate: ERROR_RATE,
  latencyP95: LATENCY_P95,
};

/**
 * The alert of a custom signal: `checkout-failures` and `checkoutFailures` are CHECKOUT_FAILURES.
 */
export function alertOfCustomSignal(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toUpperCase();
}

/** Resolves a spec; never throws. An invalid result names every field that cannot be used. */
export function resolvePolicy(spec: Spec): PolicyResult {
  const messages: string[] = [];
  const { replicas, canary, strategy } = spec;
  const seconds = (text: string | undefined, path: string): number =>
    text === undefined ? 0 : valueOr(0, parseDuration(text), path, messages);
  const steps = canary.steps.map(({ weight, hold, approval }, i) => ({
    weight,
    holdSeconds: seconds(hold, `spec.canary.steps[${i}].hold`),
    needsApproval: approval === 'Required',
  }));
  const signals = resolveSignals(spec.signals ?? [], messages);
  const longestHold = Math.max(0, ...signals.map(({ forSeconds }) => forSeconds));
  const policy: Policy = {
    replicas,
    steps,
    bakeSeconds: Math.max(longestHold, seconds(canary.bake, 'spec.canary.bake')),
    observeOnly: canary.mode === 'Observe',
    maxSurge: podBudget(strategy.maxSurge, replicas, Math.ceil),
    maxUnavailable: podBudget(strategy.maxUnavailable, replicas, Math.floor),
    drainDelaySeconds: seconds(canary.drainDelay, 'spec.canary.drainDelay'),
    progressDeadlineSeconds: spec.progressDeadlineSeconds,
    minReadySeconds: spec.minReadySeconds,
    revisionHistoryLimit: spec.revisionHistoryLimit,
    signals,
  };
  return messages.length === 0 ? { kind: 'ok', policy } : { kind: 'invalid', messages };
}

/** A number of pods as Deployments count it: a percentage of the replicas, rounded. */
function podBudget(
  budget: number | string,
  replicas: number,
  round: (pods: number) => number,
): number {
  if (typeof budget === 'number') return budget;
  return round((replicas * Number(budget.replace('%', ''))) / 100);
}

function resolveSignals(signals: readonly SignalSpec[], messages: string[]): ResolvedSignal[] {
  const builtIn = Object.entries(BUILT_IN_SIGNALS).map(([name, defaults]) => {
    const written = signals.find((signal) => signal.name === name);
    return resolveSignal(written ?? { name }, defaults, messages);
  });
  const custom = signals
    .filter((signal) => !Object.hasOwn(BUILT_IN_SIGNALS, signal.name))
    .map((signal) => resolveSignal(signal, customDefaults(signal, messages), messages));
  const resolved = [...builtIn, ...custom];
  for (const [i, signal] of resolved.entries()) {
    const same = resolved.slice(0, i).find((earlier) => earlier.alert === signal.alert);
    if (same !== undefined) {
      messages.push(
        `${pathOf(signal.name)}.name: its alert ${signal.alert} is that of ${same.name} too`,
      );
    }
  }
  return resolved;
}

function customDefaults(signal: SignalSpec, messages: string[]): SignalDefaults {
  for (const field of ['unit', 'query'] as const) {
    if (signal[field] === undefined) {
      messages.push(`${pathOf(signal.name)}.${field}: a custom signal needs it`);
    }
  }
  if (signal.rollback !== undefined && signal.rollback.for === undefined) {
    messages.push(`${pathOf(signal.name)}.rollback.for: a custom signal needs it`);
  }
  return {
    kind: 'custom',
    alert: alertOfCustomSignal(signal.name),
    unit: signal.unit ?? 'count',
    warning: null,
    critical: null,
    rollback: null,
    forSeconds: 0,
    minRequests: 0,
    noData: 'Ignore',
  };
}

function resolveSignal(
  signal: SignalSpec,
  defaults: SignalDefaults,
  messages: string[],
): ResolvedSignal {
  const path = pathOf(signal.name);
  const { unit } = defaults;
  const direction = [signal.warning, signal.critical, signal.rollback].some(
    (limit) => limit?.below !== undefined,
  )
    ? 'below'
    : 'above';
  const given = {
    warning: limitIn(signal.warning, unit, direction, `${path}.warning`, messages),
    critical: limitIn(signal.critical, unit, direction, `${path}.critical`, messages),
    rollback: limitIn(signal.rollback, unit, direction, `${path}.rollback`, messages),
  };
  const rollback = given.rollback ?? defaults.rollback;
  const critical = given.critical ?? between(defaults.critical, given.warning, rollback);
  const warning = given.warning ?? between(defaults.warning, null, critical ?? rollback);
  const limits = { warning, critical, rollback };
  checkOrder(limits, given, direction, unit, path, messages);
  const written = signal.rollback?.for;
  const noData = signal.noData ?? defaults.noData;
  return {
    name: signal.name,
    alert: defaults.alert,
    kind: defaults.kind,
    unit,
    direction,
    ...limits,
    forSeconds:
      written === undefined
        ? defaults.forSeconds
        : positive(parseDuration(written), `${path}.rollback.for`, messages),
    minRequests: signal.minRequests ?? defaults.minRequests,
    noData,
    windowSeconds:
      signal.window === undefined
        ? null
        : positive(parseDuration(signal.window), `${path}.window`, messages),
    query: signal.query ?? null,
    needed: noData !== 'Ignore',
  };
}

/** A default moved to where the limits that the object names leave room for it. */
function between(value: number | null, low: number | null, high: number | null): number | null {
  if (value === null) return null;
  return Math.min(Math.max(value, low ?? value), high ?? Infinity);
}

interface Limits {
  readonly warning: number | null;
  readonly critical: number | null;
  readonly rollback: number | null;
}

function checkOrder(
  limits: Limits,
  given: Limits,
  direction: 'above' | 'below',
  unit: Unit,
  path: string,
  messages: string[],
): void {
  const names = ['warning', 'critical', 'rollback'] as const;
  const present = names.flatMap((name) => {
    const value = limits[name];
    return value === null ? [] : [{ name, value }];
  });
  for (const [i, outer] of present.entries()) {
    const inner = present[i - 1];
    if (inner === undefined) continue;
    const inOrder = direction === 'above' ? inner.value <= outer.value : inner.value >= outer.value;
    if (inOrder) continue;
    const origin = given[outer.name] === null ? ', the default; set both' : '';
    messages.push(
      `${path}.${inner.name}: ${formatValue(inner.value, unit)} is beyond ${outer.name} ` +
        `(${formatValue(outer.value, unit)}${origin})`,
    );
  }
}

function limitIn(
  limit: LimitSpec | undefined,
  unit: Unit,
  direction: 'above' | 'below',
  path: string,
  messages: string[],
): number | null {
  if (limit === undefined) return null;
  const text = limit[direction];
  const other = direction === 'above' ? limit.below : limit.above;
  if (text === undefined || other !== undefined) {
    messages.push(`${path}: the limits of a signal are all above or all below, each one of them`);
    return null;
  }
  return valueOr(0, parseLimit(text, unit), `${path}.${direction}`, messages);
}

function positive(parsed: Parsed, path: string, messages: string[]): number {
  const value = valueOr(1, parsed, path, messages);
  if (value <= 0) messages.push(`${path}: must be above zero`);
  return value;
}

function valueOr(fallback: number, parsed: Parsed, path: string, messages: string[]): number {
  if (parsed.ok) return parsed.value;
  messages.push(`${path}: ${parsed.error}`);
  return fallback;
}

function pathOf(name: string): string {
  return `spec.signals[${name}]`;
}
