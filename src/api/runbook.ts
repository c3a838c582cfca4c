// The runbook's rows: every built-in signal with its alert, its limits and what its absence means.
// Data only; defaults.ts puts what an object names in place of it.
import type { NoDataPolicy, Unit } from './schema.ts';

export type BuiltInName =
  | 'errorRate'
  | 'latencyP95'
  | 'availability'
  | 'memory'
  | 'pqcHandshakeFailures'
  | 'pqcFallback'
  | 'cpu'
  | 'throughput';

/** What a signal has where the object names nothing. Limits are in the base unit; ratios 0 to 1. */
export interface SignalDefaults {
  readonly kind: BuiltInName | 'custom';
  readonly alert: string;
  readonly unit: Unit;
  /** The side of a limit that is beyond it; null: the limits that are given say it. */
  readonly direction: 'above' | 'below' | null;
  readonly warning: number | null;
  readonly critical: number | null;
  readonly rollback: number | null;
  readonly forSeconds: number;
  /** How long the newest critical value stops an advance, however short the step's hold. */
  readonly clearSeconds: number;
  readonly minRequests: number;
  readonly noData: NoDataPolicy;
}

/** A row whose limits are all the object's own, unless they are given here. */
export const row = (
  fields: Partial<SignalDefaults> & Pick<SignalDefaults, 'kind' | 'alert' | 'unit'>,
): SignalDefaults => ({
  direction: 'above',
  warning: null,
  critical: null,
  rollback: null,
  forSeconds: 0,
  clearSeconds: 0,
  minRequests: 0,
  noData: 'Ignore',
  ...fields,
});

/** In the order in which they are judged. */
export const BUILT_IN_SIGNALS: Readonly<Record<BuiltInName, SignalDefaults>> = {
  errorRate: row({
    kind: 'errorRate',
    alert: 'HIGH_ERROR_RATE',
    unit: 'ratio',
    warning: 0.01,
    critical: 0.05,
    rollback: 0.1,
    forSeconds: 300,
    minRequests: 50,
    noData: 'Hold',
  }),
  latencyP95: row({
    kind: 'latencyP95',
    alert: 'HIGH_LATENCY',
    unit: 'seconds',
    warning: 0.15,
    critical: 0.2,
    rollback: 0.5,
    forSeconds: 600,
    minRequests: 50,
    noData: 'Hold',
  }),
  /** The share of the needed pods that are available: critical when any is down. */
  availability: row({
    kind: 'availability',
    alert: 'SERVICE_DOWN',
    unit: 'ratio',
    direction: 'below',
    critical: 1,
    // Below one pod of the most that an object can have: none.
    rollback: 0.0001,
    forSeconds: 300,
    noData: 'Hold',
  }),
  /** Of the worst pod. */
  memory: row({
    kind: 'memory',
    alert: 'MEMORY_EXHAUSTION',
    unit: 'bytes',
    warning: 2e9,
    critical: 2.4e9,
    rollback: 2.4e9,
    forSeconds: 300,
  }),
  /** Failures within `for`, which is a window to count in and no hold. */
  pqcHandshakeFailures: row({
    kind: 'pqcHandshakeFailures',
    alert: 'PQC_HANDSHAKE_FAILURE',
    unit: 'count',
    critical: 0,
    rollback: 2,
    forSeconds: 60,
    clearSeconds: 300,
  }),
  /** Pods that report a fallback to classical cryptography. */
  pqcFallback: row({
    kind: 'pqcFallback',
    alert: 'PQC_HANDSHAKE_FAILURE',
    unit: 'count',
    critical: 0,
    rollback: 0,
  }),
  /** The mean of the pods, as a share of their CPU limit, or of one core without one. */
  cpu: row({ kind: 'cpu', alert: 'HIGH_CPU', unit: 'ratio', warning: 0.8, critical: 0.95 }),
  /** Requests of all revisions together; judged only where an object lists it. */
  throughput: row({
    kind: 'throughput',
    alert: 'LOW_THROUGHPUT',
    unit: 'perSecond',
    direction: 'below',
    warning: 6800,
    critical: 6000,
  }),
};

/** Built-in signals that count requests of their own, and so may need a number of them. */
export const COUNTED_SIGNALS: readonly BuiltInName[] = ['errorRate', 'latencyP95'];
/** Built-in signals that are not judged unless an object lists them. */
export const LISTED_SIGNALS: readonly BuiltInName[] = ['throughput'];

export const BUILT_IN_NAMES = Object.keys(BUILT_IN_SIGNALS) as readonly BuiltInName[];

/** Built-in signals whose limits are below. */
export const LOW_SIGNALS: readonly BuiltInName[] = BUILT_IN_NAMES.filter(
  (name) => BUILT_IN_SIGNALS[name].direction === 'below',
);

export function isBuiltIn(name: string): name is BuiltInName {
  return Object.hasOwn(BUILT_IN_SIGNALS, name);
}
