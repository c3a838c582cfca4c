// From a spec to the policy that core judges by: numbers in SI base units, the runbook's limits
// where the object names none. It reads no cluster and knows no scrape interval.

import { parseDuration, parseLimit, formatValue } from './quantities.ts';
import type { Parsed } from './quantities.ts';
import { BUILT_IN_NAMES, BUILT_IN_SIGNALS, isBuiltIn, LISTED_SIGNALS, row } from './runbook.ts';
import type { SignalDefaults } from './runbook.ts';
import type { LimitSpec, NoDataPolicy, SignalSpec, Spec, Unit } from './schema.ts';

/** A signal with its limits in the SI base unit of `unit`; ratios are 0 to 1. */
export interface ResolvedSignal {
  readonly name: string;
  /** The runbook's alert; for a custom signal its name in capitals with underscores. */
  readonly alert: string;
  readonly kind: SignalDefaults['kind'];
  readonly unit: Unit;
  /** Which side of a limit is beyond it; strictly. */
  readonly direction: 'above' | 'below';
  readonly warning: number | null;
  readonly critical: number | null;
  readonly rollback: number | null;
  /** How long `rollback` must be exceeded; 0 when there is no rollback limit. */
  readonly forSeconds: number;
  /** How long the newest critical value stops an advance, however short the step's hold. */
  readonly clearSeconds: number;
  /** Of cpu: the cores that a value of 1 stands for; else 1. */
  readonly scale: number;
  /** Requests needed within the hold; 0 for a signal that counts none. */
  readonly minRequests: number;
  readonly noData: NoDataPolicy;
  /** Range of the rates; null lets the hold and the scrape interval decide. */
  readonly windowSeconds: number | null;
  /** PromQL of a custom signal, else null. */
  readonly query: string | null;
  /** Of a custom signal: no row of a canary that is scraped means that nothing was counted. */
  readonly absentIsZero: boolean;
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
  /** How long the canary is judged at 100 %: no less than the longest hold of a needed signal. */
  readonly bakeSeconds: number;
  /** Verdicts are written down and nothing else. */
  readonly observeOnly: boolean;
  /** Pods that may be there above, and missing below, `replicas` while pod counts move. */
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly drainDelaySeconds: number;
  readonly progressDeadlineSeconds: number;
  readonly revisionHistoryLimit: number;
  /** The built-in signals first, then the custom ones in the order of the spec. */
  readonly signals: readonly ResolvedSignal[];
}

export type PolicyResult =
  | { readonly kind: 'ok'; readonly policy: Policy }
  /** Each message begins with the path of its field. */
  | { readonly kind: 'invalid'; readonly messages: readonly string[] };

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
  const signals = resolveSignals(spec, messages);
  // What need not be there can't ask for time to show itself.
  const holds = signals.filter(({ needed }) => needed).map(({ forSeconds }) => forSeconds);
  const policy: Policy = {
    replicas,
    steps,
    bakeSeconds: Math.max(0, ...holds, seconds(canary.bake, 'spec.canary.bake')),
    observeOnly: canary.mode === 'Observe',
    maxSurge: podBudget(strategy.maxSurge, replicas, Math.ceil),
    maxUnavailable: podBudget(strategy.maxUnavailable, replicas, Math.floor),
    drainDelaySeconds: seconds(canary.drainDelay, 'spec.canary.drainDelay'),
    progressDeadlineSeconds: spec.progressDeadlineSeconds,
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

function resolveSignals({ signals = [], template }: Spec, messages: string[]): ResolvedSignal[] {
  const isListed = (name: string): boolean => signals.some((signal) => signal.name === name);
  const builtIn = BUILT_IN_NAMES.filter(
    (name) => isListed(name) || !LISTED_SIGNALS.includes(name),
  ).map((name) => {
    const written = signals.find((signal) => signal.name === name);
    const resolved = resolveSignal(written ?? { name }, BUILT_IN_SIGNALS[name], messages);
    return name === 'cpu' ? { ...resolved, scale: cpuLimitOf(template) ?? 1 } : resolved;
  });
  const custom = signals
    .filter(({ name }) => !isBuiltIn(name))
    .map((signal) => resolveSignal(signal, customDefaults(signal, messages), messages));
  const resolved = [...builtIn, ...custom];
  for (const [i, signal] of resolved.entries()) {
    const same = resolved.slice(0, i).find((earlier) => earlier.alert === signal.alert);
    if (same !== undefined && signal.kind === 'custom') {
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
  const alert = alertOfCustomSignal(signal.name);
  return { ...row({ kind: 'custom', alert, unit: signal.unit ?? 'count' }), direction: null };
}

/** Cores that all containers of a pod may use together; null when one of them has no limit. */
function cpuLimitOf({ spec }: Spec['template']): number | null {
  const containers = spec['containers'];
  if (!Array.isArray(containers) || containers.length === 0) return null;
  let cores = 0;
  for (const container of containers as readonly ContainerLimits[]) {
    const text = String(container.resources?.limits?.cpu ?? '');
    const milli = /^([0-9]{1,9})m$/.exec(text);
    const limit = milli === null ? Number(text) : Number(milli[1]) / 1000;
    if (text === '' || !(limit > 0)) return null;
    cores += limit;
  }
  return cores;
}

interface ContainerLimits {
  readonly resources?: { readonly limits?: { readonly cpu?: string | number } };
}

function resolveSignal(
  signal: SignalSpec,
  defaults: SignalDefaults,
  messages: string[],
): ResolvedSignal {
  const path = pathOf(signal.name);
  const { unit } = defaults;
  const isBelow = [signal.warning, signal.critical, signal.rollback].some(
    (limit) => limit?.below !== undefined,
  );
  const direction = defaults.direction ?? (isBelow ? 'below' : 'above');
  const given = {
    warning: limitIn(signal.warning, unit, direction, `${path}.warning`, messages),
    critical: limitIn(signal.critical, unit, direction, `${path}.critical`, messages),
    rollback: limitIn(signal.rollback, unit, direction, `${path}.rollback`, messages),
  };
  const rollback = given.rollback ?? defaults.rollback;
  const critical = given.critical ?? between(defaults.critical, given.warning, rollback, direction);
  const warning = given.warning ?? between(defaults.warning, null, critical ?? rollback, direction);
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
    clearSeconds: defaults.clearSeconds,
    scale: 1,
    minRequests: signal.minRequests ?? defaults.minRequests,
    noData,
    windowSeconds:
      signal.window === undefined
        ? null
        : positive(parseDuration(signal.window), `${path}.window`, messages),
    query: signal.query ?? null,
    absentIsZero: signal.absentNumerator === 'Zero',
    needed: noData !== 'Ignore',
  };
}

/** A default moved to where the limits that the object names leave room for it. */
function between(
  value: number | null,
  inner: number | null,
  outer: number | null,
  direction: 'above' | 'below',
): number | null {
  if (value === null) return null;
  const [low, high] = direction === 'above' ? [inner, outer] : [outer, inner];
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
