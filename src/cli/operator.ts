// The operator: reads its flags and its configuration, puts the rooms together, and runs until it
// is told to stop.
//
//   node dist/operator.mjs --config FILE [--kubeconfig FILE] [--listen HOST:PORT] [--log-level L]
//                          [--namespace NAME] [--no-leader-elect]
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { FIELD_MANAGER } from '../api/names.ts';
import { phaseSchema } from '../api/status.ts';
import { createClusterWatch, servedRouteKinds } from '../kube/cluster.ts';
import type { ClusterWatch } from '../kube/cluster.ts';
import { loadConnection } from '../kube/config.ts';
import { createEventRecorder } from '../kube/events.ts';
import type { EventRecorder } from '../kube/events.ts';
import { createElection, defaultLeaseTimes, onlyWhileLeading } from '../kube/lease.ts';
import type { Election } from '../kube/lease.ts';
import { SharedStrings } from '../kube/sharedStrings.ts';
import { createTransport } from '../kube/transport.ts';
import type { KubeClient } from '../kube/transport.ts';
import { createWrites } from '../kube/writes.ts';
import { declareQueries } from '../reconcile/observe.ts';
import { createReconciler } from '../reconcile/reconciler.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Cancel } from '../runtime/clock.ts';
import { fullCollection, giveMemoryBack } from '../runtime/freedMemory.ts';
import type { Log, LogLevel } from '../runtime/log.ts';
import { installShutdown } from '../runtime/shutdown.ts';
import { createWorkQueue } from '../runtime/workQueue.ts';
import type { WorkQueue } from '../runtime/workQueue.ts';
import { parseConfiguration } from '../sources/configuration.ts';
import type { Configuration } from '../sources/configuration.ts';
import { createPoller } from '../sources/poller.ts';
import type { Poller } from '../sources/poller.ts';
import { createPrometheus } from '../sources/prometheus.ts';
import { startHealthServer } from '../telemetry/health.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { CanaryMetrics, Metrics } from '../telemetry/metrics.ts';
import { createGatewayApi } from '../traffic/gatewayApi.ts';

const clock = systemClock;
const random = Math.random;
const shutdownMs = 10_000;
const queueLimits = {
  concurrency: 8,
  urgentConcurrency: 32,
  backoff: { baseMs: 200, maxMs: 60_000 },
  rate: { perSecond: 300, burst: 1_000 },
} as const;

interface Flags {
  readonly config: string;
  readonly kubeconfig: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly level: LogLevel;
  /** Where the Lease is. */
  readonly namespace: string;
  readonly leaderElect: boolean;
}

function readFlags(): Flags {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      kubeconfig: { type: 'string' },
      listen: { type: 'string', default: '0.0.0.0:8080' },
      'log-level': { type: 'string', default: 'info' },
      namespace: { type: 'string', default: 'x0tta-system' },
      'leader-elect': { type: 'boolean', default: true },
    },
    allowNegative: true,
  });
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(values.listen) ?? [];
  if (host === undefined || Number(port) > 65_535) {
    throw new Error(`--listen ${values.listen} is not HOST:PORT`);
  }
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  const level = levels.find((name) => name === values['log-level']);
  if (level === undefined) throw new Error(`--log-level is one of ${levels.join(', ')}`);
  const { config, kubeconfig, namespace, 'leader-elect': leaderElect } = values;
  if (config === undefined) throw new Error('--config FILE is needed');
  return { config, kubeconfig, host, port: Number(port), level, namespace, leaderElect };
}

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
    times: defaultLeaseTimes,
    onLost: () => {
      log('error', 'the lease is lost; exiting, so that nothing of this process is written');
      process.exit(1);
    },
  });
}

async function run(flags: Flags): Promise<void> {
  const log = createLog({ level: flags.level });
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
  const client = onlyWhileLeading(transport, () => election.isLeader());
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
  const ready = (): readonly string[] => watch.unsynced();
  const { host, port } = flags;
  const health = await startHealthServer({ host, port, ready, metrics, log });
  const stopGiving = giveBack(strings);
  installShutdown({
    process,
    clock,
    log,
    boundMs: shutdownMs,
    steps: [
      { name: 'queue', stop: () => queue.shutdown() },
      { name: 'events', stop: () => recorder.stop() },
      { name: 'lease', stop: () => election.stop() },
      { name: 'poller', stop: () => poller.stop() },
      { name: 'watches', stop: () => watch.stop() },
      { name: 'health', stop: () => health.close() },
      { name: 'transport', stop: () => transport.close() },
      { name: 'memory', stop: async () => stopGiving() },
    ],
  });
  // The caches of one that waits for the lease are warm; what it leads with is listed anew.
  const ledAtOnce = await election.start();
  watch.start();
  await watch.whenSynced();
  log('info', 'ready', { listen: `${host}:${health.port}`, server: connection.serverUrl });
  await election.whenLeading();
  if (!ledAtOnce) await watch.relist();
  declareQueries(watch.stores.deployments.list(), poller);
  poller.start();
  queue.run(createHandler(reconciler, queue, metrics));
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

try {
  await run(readFlags());
} catch (error) {
  process.stderr.write(`x0tta: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
