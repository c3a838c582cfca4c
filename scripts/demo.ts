// The demo: a cluster of its own, the operator from its chart, a good v1, a bad v2 under load, and
// the rollback by the chart's Pods as it happens. It asserts that the rollback came, for what is
// bad about v2; the tests assert the rest.
//
//   make demo           ends and leaves nothing running
//   make demo V2=crash  shows another bad version: errors, latency, memory, pqc, crash or image
//   make demo KEEP=1    stays until Ctrl-C, and prints how to reach the cluster
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import type { Incident } from '../src/api/schema.ts';
import { startCluster } from '../test/cluster/cluster.ts';
import { reachClusterFromHost } from '../test/cluster/hostAccess.ts';
import {
  fastPrometheus,
  helmOf,
  installChart,
  operatorImage,
  systemNamespace,
} from '../test/cluster/install/installation.ts';
import type { Load } from '../test/cluster/load/generator.ts';
import { UNKNOWN_VERSION } from '../test/cluster/load/report.ts';
import type { LoadReport } from '../test/cluster/load/report.ts';
import { app, Stage } from '../test/cluster/scenarios/stage.ts';
import { badVersion, expectItsAlert } from './demo/badVersions.ts';
import type { DemoRecord, Moment } from './demo/record.ts';
import { createView, momentOf } from './demo/view.ts';

const requestsPerSecond = 60;
const spec = {
  replicas: 3,
  canary: {
    steps: [
      { weight: 20, hold: '20s' },
      { weight: 50, hold: '20s' },
    ],
    drainDelay: '3s',
  },
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '10s' } },
    { name: 'latencyP95', rollback: { above: '500ms', for: '10s' } },
    { name: 'availability', rollback: { below: '0.01%', for: '10s' } },
  ],
};
const recordFile = join(import.meta.dirname, '..', 'reports', 'demo.json');

/** How long each stage took. */
class Stopwatch {
  readonly stages: { readonly name: string; readonly seconds: number }[] = [];

  async time<T>(name: string, work: () => Promise<T>): Promise<T> {
    const beganMs = performance.now();
    console.log(`\n— ${name}`);
    const result = await work();
    this.stages.push({ name, seconds: (performance.now() - beganMs) / 1000 });
    return result;
  }
}

async function watchRollback(stage: Stage, load: Load): Promise<DemoRecord> {
  const view = createView(process.stdout);
  const moments: Moment[] = [];
  const beganMs = Date.now();
  for (;;) {
    const object = await stage.read();
    const moment = momentOf(object, load.snapshot(), (Date.now() - beganMs) / 1000);
    moments.push(moment);
    view.show(moment);
    const incident = object.status?.incidents?.[0];
    if (incident?.resolvedAt !== undefined && object.status?.phase === 'RolledBack') {
      view.end();
      return { beganAt: new Date(beganMs).toISOString(), moments, incident };
    }
    if (moment.seconds > 180) throw new Error('no rollback within 180 s; read the status above');
    await delay(250);
  }
}

/** As the README says, with an image and a Prometheus that are here. */
async function install({ cluster }: Stage): Promise<void> {
  const helm = helmOf(cluster, 'helm');
  console.log(`\n$ helm install x0tta helm/x0tta -n ${systemNamespace} --create-namespace \\`);
  console.log('    --set prometheus.url=http://prometheus.monitoring:9090');
  await installChart(cluster, helm, ...fastPrometheus);
  const get = ['get', 'pods', '-n', systemNamespace, '-o', 'wide'];
  console.log(`\n$ kubectl ${get.join(' ')}`);
  console.log((await cluster.kubectl(get)).trimEnd());
}

async function show(stage: Stage, incident: Incident): Promise<void> {
  const get = ['get', 'x0tta', app, '-n', stage.namespace];
  console.log('\n$ kubectl get x0tta -o wide');
  console.log((await stage.cluster.kubectl([...get, '-o', 'wide'])).trimEnd());
  console.log("\n$ kubectl get x0tta shop -o jsonpath='{.status.incidents[0]}'   # as YAML");
  console.log(stringify(incident, { lineWidth: 100 }).trimEnd());
}

function showFigures({ stages }: Stopwatch, { versions }: LoadReport, incident: Incident): void {
  console.log('\nhow long each stage took');
  for (const { name, seconds } of stages)
    console.log(`${seconds.toFixed(1).padStart(8)} s  ${name}`);
  const { startedAt = '', detectedAt, trafficRestoredAt = '' } = incident;
  const between = (from: string, to: string): string =>
    ((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1).padStart(8);
  console.log(`${between(startedAt, detectedAt)} s  from the first bad point to the verdict`);
  console.log(`${between(detectedAt, trafficRestoredAt)} s  from the verdict to the traffic moved`);
  console.log('\nanswers by revision');
  for (const [version, { requests, byStatus, failures }] of Object.entries(versions)) {
    const outcomes = Object.entries({ ...byStatus, ...failures }).map(
      ([outcome, count]) => `${count} x ${outcome}`,
    );
    const who = version === UNKNOWN_VERSION ? 'the gateway, for a pod that gave none' : version;
    console.log(`${String(requests).padStart(8)}    ${who}: ${outcomes.join(', ')}`);
  }
}

async function keep(stage: Stage): Promise<void> {
  const {
    kubeconfig,
    gatewayUrl = '',
    prometheusUrl = '',
  } = await reachClusterFromHost(stage.cluster);
  console.log('\nthe cluster stays until Ctrl-C; from another terminal:');
  console.log(`  export KUBECONFIG=${kubeconfig}`);
  console.log(`  ${stage.cluster.binaries('kubectl')} get x0tta -n ${stage.namespace} -o wide`);
  console.log(`  curl -H 'Host: ${stage.hostname}' ${gatewayUrl}/`);
  console.log(`  curl '${prometheusUrl}/api/v1/query?query=http_requests_total'`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

async function run(): Promise<void> {
  const bad = badVersion(process.env['V2'] || 'errors');
  const watch = new Stopwatch();
  const stage = await watch.time('a cluster with a node, a gateway and a Prometheus', async () => {
    const cluster = await startCluster({ profile: 'gateway', log: (line) => console.log(line) });
    return Stage.open(cluster, 'demo');
  });
  let load: Load | undefined;
  try {
    await watch.time("the operator's image, pushed to a registry of the cluster", () =>
      operatorImage(stage.cluster),
    );
    await watch.time('the operator: two Pods under the restricted level', () => install(stage));
    await watch.time('v1: the first revision is stable at once', async () => {
      await stage.applyAll(stage.template('v1'), spec);
      await stage.phase('Stable');
    });
    load = await stage.startLoad(requestsPerSecond);
    const sending = load;
    const record = await watch.time(bad.title, async () => {
      await delay(2_000);
      const template = stage.template('v2', bad.env);
      bad.spoil(template as unknown as Parameters<typeof bad.spoil>[0]);
      await stage.apply(template, { ...spec, signals: [...spec.signals, ...bad.signals] });
      return watchRollback(stage, sending);
    });
    await delay(2_000);
    const report = await load.stop();
    mkdirSync(join(recordFile, '..'), { recursive: true });
    writeFileSync(recordFile, JSON.stringify(record, null, 1));
    await show(stage, record.incident);
    showFigures(watch, report, record.incident);
    expectItsAlert(bad, record.incident);
    if (process.env['KEEP'] !== undefined && process.env['KEEP'] !== '') await keep(stage);
  } finally {
    await load?.stop();
    await stage.cluster.stop();
  }
}

try {
  await run();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
