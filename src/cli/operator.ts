// The operator: reads its flags and its configuration, puts the rooms together, and runs until it
// is told to stop.
//
//   node dist/operator.mjs --config FILE    and --help for the other flags
import { takeSignals } from './earlyEnd.ts';
import { hostname } from 'node:os';
import { createClusterWatch } from '../kube/cluster.ts';
import type { ClusterWatch } from '../kube/cluster.ts';
import { loadConnection } from '../kube/config.ts';
import { createEventRecorder } from '../kube/events.ts';
import type { EventRecorder } from '../kube/events.ts';
import { SharedStrings } from '../kube/sharedStrings.ts';
import { createTransport } from '../kube/transport.ts';
import type { KubeClient } from '../kube/transport.ts';
import { createWriteGate } from '../kube/writeGate.ts';
import { createWrites } from '../kube/writes.ts';
import { declareQueries } from '../reconcile/observe.ts';
import { createReconciler } from '../reconcile/reconciler.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Cancel } from '../runtime/clock.ts';
import { fullCollection, giveMemoryBack } from '../runtime/freedMemory.ts';
import type { Log } from '../runtime/log.ts';
import { installShutdown } from '../runtime/shutdown.ts';
import type { Shutdown } from '../runtime/shutdown.ts';
import { createWorkQueue } from '../runtime/workQueue.ts';
import type { WorkQueue } from '../runtime/workQueue.ts';
import type { Configuration } from '../sources/configuration.ts';
import { createPoller } from '../sources/poller.ts';
import type { Poller } from '../sources/poller.ts';
import { createPrometheus } from '../sources/prometheus.ts';
import { startListener } from '../telemetry/listener.ts';
import type { Listener } from '../telemetry/listener.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { metricsPaths, probePaths } from '../telemetry/probes.ts';
import { createGatewayApi } from '../traffic/gatewayApi.ts';
import { connect } from './connect.ts';
import { helpText, readCommandLine } from './flags.ts';
import type { Flags } from './flags.ts';
import { countPhases, countStalled, readCanaries } from './fleet.ts';
import { createLeadership, takeLead } from './leadership.ts';
import { readConfiguration } from './readConfiguration.ts';
import type { ReadConfiguration } from './readConfiguration.ts';
import { stopSteps } from './stopSteps.ts';
import { version } from './version.ts';

const clock = systemClock;
const random = Math.random;
/** More than the bounds of the steps together, of which the lease's own is 4 s. */
const shutdownMs = 10_000;
/** A leader lists within so many renew deadlines, or gives the lease back. */
const listDeadlines = 3;
/** Of each address: the kubelet and some Prometheus, and no crowd. */
const maxConnections = 64;
const queueLimits = {
  concurrency: 8,
  urgentConcurrency: 32,
  backoff: { baseMs: 200, maxMs: 60_000 },
  rate: { perSecond: 300, burst: 1_000 },
} as const;

function createSources(configuration: Configuration, log: Log, metrics: Metrics) {
  const servers = new Map(
    configuration.servers.map((settings) => {
      const onAnswer = (result: Parameters<Metrics['observeQuery']>[1]): void =>
        metrics.observeQuery(settings.name, result);
      return [settings.name, { settings, source: createPrometheus({ settings, clock, onAnswer }) }];
    }),
  );
  const { defaultServer, pollIntervalMs } = configuration;
  return createPoller({ servers, defaultServer, pollIntervalMs, clock, log });
}

function createHandler(reconciler: Reconciler, queue: WorkQueue, metrics: Metrics) {
  return async (key: string): Promise<void> => {
    const beganMs = clock.monotonicMs();
    const { result, lookAgainMs, urgent } = await reconciler.reconcile(key);
    metrics.observeReconcile(result, (clock.monotonicMs() - beganMs) / 1000);
    if (lookAgainMs === null && result === 'failed') {
      queue.retry(key);
      return;
    }
    queue.forget(key);
    const priority = urgent ? 'urgent' : 'normal';
    if (lookAgainMs !== null) queue.add(key, { delayMs: lookAgainMs, priority });
  };
}

/** All parts, put together. Of these only the way to the API server is under way already. */
function createOperator(flags: Flags, { configuration, hash }: ReadConfiguration, log: Log) {
  const metrics = createMetrics({ version, node: process.versions.node, hash }, clock);
  const connection = loadConnection({ kubeconfigPath: flags.kubeconfig });
  const { serverUrl } = connection;
  const transport = createTransport({
    connection,
    clock,
    userAgent: 'x0tta',
    onAnswer: (...request) => metrics.observeRequest(...request),
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const onLost = (): void => {
    log('error', 'the lease is lost; exiting, so that nothing of this process is written');
    process.exit(1);
  };
  const election = createLeadership(flags, { client: transport, clock, log, onLost });
  const gate = createWriteGate(transport, () => election.isLeader());
  // What was done may be told after the lease was given back.
  const telling = createWriteGate(transport, () => signal.aborted || election.isLeader());
  const recorder = createEventRecorder({
    client: telling.client,
    clock,
    log,
    onDropped: () => metrics.countDroppedEvent(),
    reportingInstance: hostname(),
  });
  const poller = createSources(configuration, log, metrics);
  const queue = createWorkQueue({ clock, random, log, ...queueLimits });
  const onChange = (key: string, urgent: boolean): void =>
    queue.add(key, { priority: urgent ? 'urgent' : 'normal' });
  const strings = new SharedStrings();
  const { namespaces } = configuration;
  const { client } = gate;
  const watch = createClusterWatch({ client, clock, random, log, onChange, strings, namespaces });
  poller.onInteresting((key, { urgent }) => onChange(key, urgent));
  const rooms = { client, watch, poller, recorder, metrics, log };
  const work = createHandler(createRooms(rooms), queue, metrics);
  const watchRoutes: ClusterWatch['watchRoutes'] = (kinds) => watch.watchRoutes(kinds);
  const connecting = connect({ client, clock, random, log, serverUrl, signal, watchRoutes });
  watchAll({ ...rooms, queue, election, connecting });
  return { ...rooms, transport, stopping, election, gate, queue, strings, work, connecting };
}

type Operator = ReturnType<typeof createOperator>;

/** The objects are told of by the leader alone, so that sums over operators count them once. */
function watchAll(parts: Pick<Operator, 'queue' | 'election' | 'connecting' | keyof Rooms>): void {
  const { metrics, queue, election, connecting, watch, poller } = parts;
  const whileLeading = <T>(read: () => T, none: T) => (election.isLeader() ? read() : none);
  metrics.watch({
    queue: () => queue.stats(),
    isLeader: () => election.isLeader(),
    crdMissingCount: () => connecting.crdMissingCount(),
    synced: () => watch.current(),
    phases: () => whileLeading(() => countPhases(watch), {}),
    stalled: () => whileLeading(() => countStalled(watch), {}),
    canaries: () => whileLeading(() => readCanaries(watch, poller), []),
  });
}

async function run(flags: Flags): Promise<void> {
  const log = createLog({ level: flags.logLevel });
  const read = readConfiguration(flags.config);
  const facts = { version, node: process.version, flags: flags.shown, configuration: read.hash };
  log('info', 'starting', facts);
  const operator = createOperator(flags, read, log);
  const listeners = await listen(flags, operator);
  const [metrics, probes] = listeners.map(({ port }) => port);
  log('info', 'listening', { metrics, probes });
  const shutdown = installShutdown({
    process: { onSignal: takeSignals, exit: (code) => process.exit(code) },
    clock,
    log,
    boundMs: shutdownMs,
    steps: stopSteps({ ...operator, listeners, stopGiving: giveBack(operator.strings) }),
  });
  try {
    await lead(operator, flags, shutdown);
  } catch (error) {
    // What is waited for ends with an error when the operator does.
    if (!operator.stopping.signal.aborted) throw error;
  }
}

async function lead(operator: Operator, flags: Flags, shutdown: Shutdown): Promise<void> {
  const { connecting, election, watch, poller, queue, stopping, log } = operator;
  if (!(await connecting.done)) return;
  const { leaderElect, leaseTimes } = flags;
  const boundMs = leaderElect ? listDeadlines * leaseTimes.renewDeadlineMs : null;
  const leads = await takeLead({ election, watch, clock, log, boundMs });
  if (stopping.signal.aborted) return;
  if (!leads) {
    const waitingFor = watch.unsynced();
    log('error', 'what is watched could not be listed; the lease goes back', { waitingFor });
    shutdown('there is nothing to lead by', 1);
    return;
  }
  declareQueries(watch.stores.deployments.list(), poller);
  poller.start();
  queue.run(operator.work);
}

/** The listener of the metrics and that of the probes. */
function listen(flags: Flags, operator: Operator): Promise<readonly Listener[]> {
  const { metrics, connecting, watch, log } = operator;
  const unready = (): readonly string[] => [...connecting.problems(), ...watch.unsynced()];
  const scraped = metricsPaths(() => metrics.exposition(), clock);
  const { listen: address, probeListen } = flags;
  return Promise.all([
    startListener({ address, paths: scraped, maxConnections, log }),
    startListener({ address: probeListen, paths: probePaths(unready), maxConnections, log }),
  ]);
}

function giveBack(strings: SharedStrings): Cancel {
  const collectAll = fullCollection();
  const collect = (): void => {
    strings.clear();
    collectAll();
  };
  return giveMemoryBack({ clock, resident: () => process.memoryUsage.rss(), collect });
}

interface Rooms {
  readonly client: KubeClient;
  readonly watch: ClusterWatch;
  readonly poller: Poller;
  readonly recorder: EventRecorder;
  readonly metrics: Metrics;
  readonly log: Log;
}

function createRooms({ client, watch, poller, recorder, metrics, log }: Rooms): Reconciler {
  const { stores, cache } = watch;
  return createReconciler({
    cache,
    writes: createWrites({ client, ...stores }),
    traffic: createGatewayApi({ client, stores: stores.routes, clock }),
    evidence: poller,
    clock,
    events: recorder,
    log,
    telling: {
      decided: (check) => metrics.countDecision(check),
      incident: (alert) => metrics.countIncident(alert),
      trafficMoved: (seconds) => metrics.observeMove(seconds),
      statusFailed: (reason) => metrics.countStatusFailure(reason),
      routeFailed: (reason) => metrics.countRouteFailure(reason),
    },
  });
}

const command = readCommandLine(process.argv.slice(2));
switch (command.kind) {
  case 'help':
    process.stdout.write(helpText(version));
    break;
  case 'version':
    process.stdout.write(`x0tta ${version}\n`);
    break;
  case 'refused':
    process.stderr.write(`x0tta: ${command.message}\n`);
    process.exitCode = 2;
    break;
  case 'run':
    await run(command.flags).catch((error: unknown) => {
      process.stderr.write(`x0tta: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exit(1);
    });
}
