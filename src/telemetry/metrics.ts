// The operator's metrics by prom-client. Only those of canaries on their way carry the name of an
// object, and they go when the canary is done: the others do not grow with the fleet.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BUILT_IN_SIGNALS } from '../api/runbook.ts';
import type { Level } from '../api/schema.ts';
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
  /** A request to the API server; `status` 0 stands for one without an answer. */
  observeRequest(method: string, status: number, seconds: number): void;
  /** From the answer that completed a hold to a patch, acknowledged at the first try. */
  observeMove(seconds: number): void;
  /** An alert that no runbook row names, as custom signals have, is counted as CUSTOM. */
  countIncident(alert: string): void;
  /** Asked at each scrape. Call once. */
  watchQueue(stats: () => WorkQueueStats): void;
  /** Asked at each scrape: what is known of each canary on its way. Call once. */
  watchCanaries(read: () => readonly CanaryMetrics[]): void;
  /** Asked at each scrape: how many objects are in each phase. Call once. */
  watchPhases(count: () => Readonly<Record<string, number>>): void;
  exposition(): Promise<Exposition>;
}

/** A canary on its way, as it is at a scrape. */
export interface CanaryMetrics {
  readonly namespace: string;
  readonly name: string;
  /** Percent of the traffic that it gets. */
  readonly weight: number;
  readonly signals: readonly {
    readonly name: string;
    readonly level: Level;
    /** In the base unit of the signal; null while unknown. */
    readonly value: number | null;
  }[];
}

const LEVELS: Readonly<Record<Level, number>> = {
  Unknown: -1,
  Normal: 0,
  Warning: 1,
  Critical: 2,
  Breach: 3,
};
const ALERTS = new Set([
  ...Object.values(BUILT_IN_SIGNALS).map(({ alert }) => alert),
  'PROGRESS_DEADLINE',
  'MANUAL_ROLLBACK',
  'ROLLBACK',
]);
const PASS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15];

/** A registry of its own, with the metrics of the process in it. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { passes, requests, moves } = createHistograms(registry);
  const { queries, decisions, incidents } = createCounters(registry);
  return {
    observeReconcile: (result, seconds) => passes.observe({ result }, seconds),
    observeRequest: (method, status, seconds) =>
      requests.observe({ method, status: status === 0 ? 'none' : String(status) }, seconds),
    observeMove: (seconds) => moves.observe(seconds),
    observeQuery: (server, result) => queries.inc({ server, result }),
    countDecision: (check) => decisions.inc({ check }),
    countIncident: (alert) => incidents.inc({ alert: ALERTS.has(alert) ? alert : 'CUSTOM' }),
    watchQueue(stats) {
      addGauge(registry, 'x0tta_queue_keys', 'Keys of the work queue, by state.', 'state', () => {
        const { urgentReady, normalReady, delayed, processing, failing } = stats();
        return { urgentReady, normalReady, delayed, processing, failing };
      });
    },
    watchPhases(count) {
      addGauge(registry, 'x0tta_objects', 'X0ttaDeployments, by phase.', 'phase', count);
    },
    watchCanaries: (read) => addCanaries(registry, read),
    async exposition() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function createHistograms(registry: Registry) {
  const registers = [registry];
  const buckets = PASS_SECONDS;
  return {
    passes: new Histogram({
      name: 'x0tta_reconcile_seconds',
      help: 'Duration of one pass over one object, by its result.',
      labelNames: ['result'],
      buckets,
      registers,
    }),
    requests: new Histogram({
      name: 'x0tta_api_request_seconds',
      help: 'Duration of requests to the API server, by method and status; watches are left out.',
      labelNames: ['method', 'status'],
      buckets,
      registers,
    }),
    moves: new Histogram({
      name: 'x0tta_hold_to_patch_seconds',
      help: 'From the answer that completed a hold to a patch, acknowledged at the first try.',
      buckets,
      registers,
    }),
  };
}

/** The first that is asked at a scrape fills all three, so that the fleet is read once. */
function addCanaries(registry: Registry, read: () => readonly CanaryMetrics[]): void {
  const registers = [registry];
  const ofSignal = ['namespace', 'name', 'signal'];
  const value: Gauge = new Gauge({
    name: 'x0tta_signal_value',
    help: "Value of a canary's signal in its base unit.",
    labelNames: ofSignal,
    registers,
    collect: () => fill(),
  });
  const level = new Gauge({
    name: 'x0tta_signal_level',
    help: "Level of a canary's signal: -1 unknown, 0 normal, 1 warning, 2 critical, 3 breach.",
    labelNames: ofSignal,
    registers,
  });
  const weight = new Gauge({
    name: 'x0tta_canary_weight_percent',
    help: 'Percent of the traffic that a canary gets.',
    labelNames: ['namespace', 'name'],
    registers,
  });
  const fill = (): void => {
    for (const gauge of [value, level, weight]) gauge.reset();
    for (const { namespace, name, weight: percent, signals } of read()) {
      weight.set({ namespace, name }, percent);
      for (const signal of signals) {
        const labels = { namespace, name, signal: signal.name };
        level.set(labels, LEVELS[signal.level]);
        if (signal.value !== null) value.set(labels, signal.value);
      }
    }
  };
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
      name: 'x0tta_incidents_total',
      help: 'Incidents by alert: rollbacks, and what was only written down.',
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
