// The operator: reads its flags and its configuration, puts the rooms together, and runs until it
// is told to stop.
//
//   node dist/operator.mjs --config FILE    and --help for the other flags
import { takeSignals } from './earlyEnd.ts';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { FIELD_MANAGER } from '../api/names.ts';
import { phaseSchema } from '../api/status.ts';
import { createClusterWatch, servedRouteKinds } from '../kube/cluster.ts';
import type { ClusterWatch } from '../kube/cluster.ts';
import { loadConnection } from '../kube/config.ts';
import { createEventRecorder } from '../kube/events.ts';
import type { EventRecorder } from '../kube/events.ts';
import { createElection } from '../kube/lease.ts';
import type { Election } from '../kube/lease.ts';
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
import { createWorkQueue } from '../runtime/workQueue.ts';
import type { WorkQueue } from '../runtime/workQueue.ts';
import { parseConfiguration } from '../sources/configuration.ts';
import type { Configuration } from '../sources/configuration.ts';
import { createPoller } from '../sources/poller.ts';
import type { Poller } from '../sources/poller.ts';
import { createPrometheus } from '../sources/prometheus.ts';
import { startListener } from '../telemetry/listener.ts';
import type { Listener } from '../telemetry/listener.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { CanaryMetrics, Metrics } from '../telemetry/metrics.ts';
import { metricsPaths, probePaths } from '../telemetry/probes.ts';
import { createGatewayApi } from '../traffic/gatewayApi.ts';
import { helpText, readCommandLine } from './flags.ts';
import type { Flags } from './flags.ts';
import { version } from './version.ts';

const clock = systemClock;
const random = Math.random;
const shutdownMs = 10_000;
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

function countPhases({ stores }: ClusterWatch): Record<string, number> {
  const phases = Object.fromEntries(phaseSchema.options.map((phase) => [phase, 0]));
  for (const { status } of stores.deployments.list()) {
    const phase = status?.phase;
    if (phase !== undefined) phases[phase] = (phases[phase] ?? 0) + 1;
  }
  return phases;
}

function readCanaries({ cache }: ClusterWatch, poller: Poller): CanaryMetrics[] {
  return poller.judged().flatMap(({ key, judgements }) => {
    const object = cache.deployment(key);
    if (object === undefined) return [];
    const { namespace, name } = object.metadata;
    const signals = judgements.map(({ signal, level, latest }) => {
      return { name: signal.name, level, value: latest?.value ?? null };
    });
    return [{ namespace, name, weight: object.status?.canary?.weight ?? 0, signals }];
  });
}

/** The lease of the operators in this namespace; without an election the only one leads. */
function createLeadership(flags: Flags, client: KubeClient, log: Log): Election {
  if (!flags.leaderElect) {
    return {
      isLeader: () => true,
      start: async () => true,
      whenLeading: async () => undefined,
      stop: async () => undefined,
    };
  }
  return createElection({
    client,
    clock,
    log,
    namespace: flags.namespace,
    name: FIELD_MANAGER,
    identity: `${hostname()}_${randomUUID()}`,
    times: flags.leaseTimes,
    onLost: () => {
      log('error', 'the lease is lost; exiting, so that nothing of this process is written');
      process.exit(1);
    },
  });
}

async function run(flags: Flags): Promise<void> {
  const log = createLog({ level: flags.logLevel });
  const metrics = createMetrics();
  const configuration = parseConfiguration(readFileSync(flags.config, 'utf8'), flags.config);
  const connection = loadConnection({ kubeconfigPath: flags.kubeconfig });
  const transport = createTransport({
    connection,
    clock,
    userAgent: 'x0tta',
    onAnswer: (...request) => metrics.observeRequest(...request),
  });
  const election = createLeadership(flags, transport, log);
  const gate = createWriteGate(transport, () => election.isLeader());
  const { client } = gate;
  const poller = createSources(configuration, log, metrics);
  const queue = createWorkQueue({ clock, random, log, ...queueLimits });
  const onChange = (key: string, urgent: boolean): void =>
    queue.add(key, { priority: urgent ? 'urgent' : 'normal' });
  const routeKinds = await servedRouteKinds(client);
  if (routeKinds.length < 2) {
    log('warn', 'not every kind of route is served, and what is not is not watched', {
      served: routeKinds,
    });
  }
  const strings = new SharedStrings();
  const { namespaces } = configuration;
  const caches = { client, clock, random, log, onChange, strings, routeKinds, namespaces };
  const watch = createClusterWatch(caches);
  poller.onInteresting((key, { urgent }) => onChange(key, urgent));
  const recorder = createEventRecorder({ client, clock, log, reportingInstance: hostname() });
  const reconciler = createRooms({ client, watch, poller, recorder, metrics, log });
  metrics.watchQueue(() => queue.stats());
  metrics.watchPhases(() => countPhases(watch));
  metrics.watchCanaries(() => readCanaries(watch, poller));
  const listeners = await listen(flags, metrics, () => watch.unsynced(), log);
  const stopGiving = giveBack(strings);
  installShutdown({
    process: { onSignal: takeSignals, exit: (code) => process.exit(code) },
    clock,
    log,
    boundMs: shutdownMs,
    steps: [
      { name: 'queue', stop: () => queue.shutdown() },
      { name: 'events', stop: () => recorder.stop() },
      { name: 'lease', stop: () => election.stop() },
      { name: 'poller', stop: () => poller.stop() },
      { name: 'watches', stop: () => watch.stop() },
      ...listeners.map((listener) => ({ name: 'listener', stop: () => listener.close() })),
      { name: 'transport', stop: () => transport.close() },
      { name: 'memory', stop: async () => stopGiving() },
    ],
  });
  // The caches of one that waits for the lease are warm; what it leads with is listed anew.
  const ledAtOnce = await election.start();
  watch.start();
  await watch.whenSynced();
  const ports = listeners.map(({ port }) => port);
  log('info', 'ready', { ports, server: connection.serverUrl });
  await election.whenLeading();
  if (!ledAtOnce) await watch.relist();
  declareQueries(watch.stores.deployments.list(), poller);
  poller.start();
  queue.run(createHandler(reconciler, queue, metrics));
}

/** The metrics' listener and that of the probes. */
function listen(
  { listen: address, probeListen }: Flags,
  metrics: Metrics,
  ready: () => readonly string[],
  log: Log,
): Promise<readonly Listener[]> {
  const paths = metricsPaths(() => metrics.exposition(), clock);
  return Promise.all([
    startListener({ address, paths, maxConnections, log }),
    startListener({ address: probeListen, paths: probePaths(ready), maxConnections, log }),
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
