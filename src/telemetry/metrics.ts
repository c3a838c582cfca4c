// The operator's metrics by prom-client. No label holds the name of an object, so their number does
// not grow with the fleet; what an object's signals are stands in its status.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AbsenceReason } from '../core/evidence.ts';
import type { WorkQueueStats } from '../runtime/workQueue.ts';

/** How a pass ended: carried out, met another writer, or failed. */
export type ReconcileResult = 'done' | 'conflict' | 'failed';

/** The text that Prometheus scrapes. */
export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/** What other rooms tell, without knowing how it is counted. Durations are in seconds. */
export interface Metrics {
  observeReconcile(result: ReconcileResult, seconds: number): void;
  /** `server` is a name of the configuration, `result` why there was no evidence. */
  observeQuery(server: string, result: 'ok' | AbsenceReason): void;
  /** The name of the check that decided a pass. */
  countDecision(check: string): void;
  /** An alert that no runbook row names, as custom signals have, is counted as CUSTOM. */
  countIncident(alert: string): void;
  /** Asked at each scrape. Call once. */
  watchQueue(stats: () => WorkQueueStats): void;
  /** Asked at each scrape: how many objects are in each phase. Call once. */
  watchPhases(count: () => Readonly<Record<string, number>>): void;
  exposition(): Promise<Exposition>;
}

const ALERTS = [
  'HIGH_ERROR_RATE',
  'HIGH_LATENCY',
  'SERVICE_DOWN',
  'MEMORY_EXHAUSTION',
  'PROGRESS_DEADLINE',
  'MANUAL_ROLLBACK',
  'ROLLBACK',
];
const PASS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];

/** A registry of its own, with the metrics of the process in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const passes = createPasses(registry);
  const { queries, decisions, incidents } = createCounters(registry);
  return {
    observeReconcile: (result, seconds) => passes.observe({ result }, seconds),
    observeQuery: (server, result) => queries.inc({ server, result }),
    countDecision: (check) => decisions.inc({ check }),
    countIncident: (alert) => incidents.inc({ alert: ALERTS.includes(alert) ? alert : 'CUSTOM' }),
    watchQueue(stats) {
      addGauge(registry, 'x0tta_queue_keys', 'Keys of the work queue, by state.', 'state', () => {
        const { urgentReady, normalReady, delayed, processing, failing } = stats();
        return { urgentReady, normalReady, delayed, processing, failing };
      });
    },
    watchPhases(count) {
      addGauge(registry, 'x0tta_objects', 'X0ttaDeployments, by phase.', 'phase', count);
    },
    async exposition() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function createPasses(registry: Registry) {
  return new Histogram({
    name: 'x0tta_reconcile_seconds',
    help: 'Duration of one pass over one object, by its result.',
    labelNames: ['result'],
    buckets: PASS_SECONDS,
    registers: [registry],
  });
}

function createCounters(registry: Registry) {
  const registers = [registry];
  return {
    queries: new Counter({
      name: 'x0tta_metric_queries_total',
      help: 'Queries to metric servers, by server and by ok or why there was no evidence.',
      labelNames: ['server', 'result'],
      registers,
    }),
    decisions: new Counter({
      name: 'x0tta_decisions_total',
      help: 'Passes, by the check that decided them.',
      labelNames: ['check'],
      registers,
    }),
    incidents: new Counter({
      name: 'x0tta_rollbacks_total',
      help: 'Rollbacks that were decided, by alert.',
      labelNames: ['alert'],
      registers,
    }),
  };
}

/** A gauge with one label, whose values are asked for at each scrape. */
function addGauge(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number>>,
): void {
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      for (const [value, number] of Object.entries(read())) gauge.set({ [label]: value }, number);
    },
  });
}
