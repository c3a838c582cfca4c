// The operator's metrics by prom-client. Only those of canaries on their way carry the name of an
// object, and they go when the canary is done: the others do not grow with the fleet.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BUILT_IN_SIGNALS } from '../api/runbook.ts';
import type { AbsenceReason } from '../core/evidence.ts';
import type { Clock } from '../runtime/clock.ts';
import type { WorkQueueStats } from '../runtime/workQueue.ts';
import { addCanaries, addGauge, addInfo, addNumber, type CanaryMetrics } from './gauges.ts';

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
  /** `reason` is the API server's word, or Network; one that it seldom says is counted as Other. */
  countStatusFailure(reason: string): void;
  /** The same of weights of routes. */
  countRouteFailure(reason: string): void;
  /** An Event that nobody will read. */
  countDroppedEvent(): void;
  /** Call once; everything in it is asked at each scrape. */
  watch(readings: Readings): void;
  exposition(): Promise<Exposition>;
}

/** What this process is. */
export interface BuildFacts {
  readonly version: string;
  /** Of Node, without a v. */
  readonly node: string;
  /** Of its configuration. */
  readonly hash: string;
}

/** What is asked at each scrape. */
export interface Readings {
  readonly queue: () => WorkQueueStats;
  readonly isLeader: () => boolean;
  /** How much of what is written the served CRD lacks. */
  readonly crdMissingCount: () => number;
  /** Whether the list of each watched resource is whole and current. */
  readonly synced: () => Readonly<Record<string, boolean>>;
  /** How many objects are in each phase. */
  readonly phases: () => Readonly<Record<string, number>>;
  /** How many objects are stalled, by the reason. */
  readonly stalled: () => Readonly<Record<string, number>>;
  readonly canaries: () => readonly CanaryMetrics[];
}

const ALERTS = new Set([
  ...Object.values(BUILT_IN_SIGNALS).map(({ alert }) => alert),
  'PROGRESS_DEADLINE',
  'MANUAL_ROLLBACK',
  'ROLLBACK',
]);
/** Why the API server refuses a write, in its words, and ours for no answer. */
const WRITE_FAILURES = new Set([
  'BadRequest',
  'Forbidden',
  'InternalError',
  'Invalid',
  'Network',
  'RequestEntityTooLarge',
  'ServiceUnavailable',
  'Timeout',
  'TooManyRequests',
  'Unauthorized',
]);
const PASS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15];

/** A registry of its own, with the metrics of the process in it. */
export function createMetrics(facts: BuildFacts, clock: Pick<Clock, 'nowMs'>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const { version, node, hash } = facts;
  addInfo(registry, 'x0tta_build_info', 'What runs.', { version, node });
  addInfo(registry, 'x0tta_configuration_info', 'What it was configured with.', { hash });
  const { passes, requests, moves } = createHistograms(registry);
  const { queries, decisions, incidents, ...failures } = createCounters(registry);
  const { statusFailures, routeFailures, droppedEvents } = failures;
  const lastAnswer = new Gauge({
    name: 'x0tta_metric_server_last_answer_timestamp_seconds',
    help: 'When a metric server last gave a good answer; only the leader asks.',
    labelNames: ['server'],
    registers: [registry],
  });
  return {
    observeReconcile: (result, seconds) => passes.observe({ result }, seconds),
    observeRequest: (method, status, seconds) =>
      requests.observe({ method, status: status === 0 ? 'none' : String(status) }, seconds),
    observeMove: (seconds) => moves.observe(seconds),
    observeQuery: (server, result) => {
      queries.inc({ server, result });
      if (result === 'ok') lastAnswer.set({ server }, clock.nowMs() / 1000);
    },
    countDecision: (check) => decisions.inc({ check }),
    countIncident: (alert) => incidents.inc({ alert: ALERTS.has(alert) ? alert : 'CUSTOM' }),
    countStatusFailure: (reason) => statusFailures.inc({ reason: writeFailure(reason) }),
    countRouteFailure: (reason) => routeFailures.inc({ reason: writeFailure(reason) }),
    countDroppedEvent: () => droppedEvents.inc(),
    watch: (readings) => addReadings(registry, readings),
    async exposition() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

function writeFailure(reason: string): string {
  return WRITE_FAILURES.has(reason) ? reason : 'Other';
}

function addReadings(registry: Registry, readings: Readings): void {
  const { queue, isLeader, crdMissingCount, synced, phases, stalled, canaries } = readings;
  addGauge(registry, 'x0tta_queue_keys', 'Keys of the work queue, by state.', 'state', () => {
    const { urgentReady, normalReady, delayed, processing, failing } = queue();
    return { urgentReady, normalReady, delayed, processing, failing };
  });
  addNumber(registry, 'x0tta_leader', 'Whether this process leads.', () => Number(isLeader()));
  addNumber(
    registry,
    'x0tta_crd_missing_fields',
    'Fields and values that are written and not served by the CRD; 1 when there is none.',
    crdMissingCount,
  );
  addGauge(
    registry,
    'x0tta_watch_synced',
    'Whether a watched resource is known whole and its changes come.',
    'resource',
    () => Object.fromEntries(Object.entries(synced()).map(([name, is]) => [name, Number(is)])),
  );
  addGauge(registry, 'x0tta_objects', 'X0ttaDeployments, by phase.', 'phase', phases);
  addGauge(
    registry,
    'x0tta_objects_stalled',
    'X0ttaDeployments that do not go on by themselves, by reason.',
    'reason',
    stalled,
  );
  addCanaries(registry, canaries);
}

function createHistograms(registry: Registry) {
  const registers = [registry];
  const buckets = PASS_SECONDS;
  return {
    passes: new Histogram({
      name: 'x0tta_reconcile_duration_seconds',
      help: 'Duration of one pass over one object, by its result.',
      labelNames: ['result'],
      buckets,
      registers,
    }),
    requests: new Histogram({
      name: 'x0tta_api_request_duration_seconds',
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
    statusFailures: new Counter({
      name: 'x0tta_status_write_failures_total',
      help: "Writes of an object's status that failed, by the API server's reason or Network.",
      labelNames: ['reason'],
      registers,
    }),
    routeFailures: new Counter({
      name: 'x0tta_route_write_failures_total',
      help: "Writes of a route's weights that failed, by the API server's reason or Network.",
      labelNames: ['reason'],
      registers,
    }),
    droppedEvents: new Counter({
      name: 'x0tta_events_dropped_total',
      help: 'Events that were not written: too many waited, or the API server did not take them.',
      registers,
    }),
  };
}
