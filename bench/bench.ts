// What every part of the bench stands on: a cluster with an API server and a Prometheus of its own,
// pods by kwok, an exporter, the operator between recorders, and the writes of the audit log.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { newEntries } from '../test/cluster/auditLog.ts';
import type { AuditedWrite } from '../test/cluster/auditLog.ts';
import { startComponent } from '../test/cluster/process.ts';
import type { Component } from '../test/cluster/process.ts';
import { startCluster } from '../test/cluster/cluster.ts';
import type { Cluster } from '../test/cluster/cluster.ts';
import { nodeName } from '../test/cluster/controlPlane.ts';
import { startOperator } from '../test/cluster/operator.ts';
import type { OperatorHandle, OperatorOptions } from '../test/cluster/operator.ts';
import { freePorts } from '../test/cluster/ports.ts';
import { waitFor } from '../test/cluster/process.ts';
import { acceptRoutes } from '../test/cluster/scenarios/acceptRoutes.ts';
import type { RouteAcceptor } from '../test/cluster/scenarios/acceptRoutes.ts';
import { startExporter } from './exporter.ts';
import type { Exporter } from './exporter.ts';
import { startRecorder } from './recorder.ts';
import type { Recorder } from './recorder.ts';

/** A write as the audit log has it. */
export interface Write {
  readonly verb: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly user: string;
  readonly code: number;
  /** ms of this machine's clock, with fractions. */
  readonly receivedMs: number;
  readonly doneMs: number;
  /** What was sent, and what became of it. */
  readonly request: unknown;
  readonly object: unknown;
}

export interface Bench {
  readonly cluster: Cluster;
  readonly exporter: Exporter;
  readonly recorder: Recorder;
  readonly prometheus: Component;
  startOperator(options?: Pick<OperatorOptions, 'env'>): Promise<OperatorHandle>;
  /** From now on: each call gives every write since the last one. */
  writesFromNow(): () => readonly Write[];
  stop(): Promise<void>;
}

export function say(line: string): void {
  console.log(`bench: ${line}`);
}

/** `scrapeSeconds`: of Prometheus, and the operator's poll. */
export async function startBench(scrapeSeconds: number): Promise<Bench> {
  const cluster = await startCluster({ profile: 'control-plane', log: say });
  const ends: (() => Promise<unknown>)[] = [() => cluster.stop()];
  const started = (component: Component): void => void ends.push(() => component.stop('SIGKILL'));
  const exporter = await startExporter();
  ends.push(() => exporter.close());
  started(await startKwok(cluster));
  const [prometheus, url] = await startPrometheus(cluster, exporter, scrapeSeconds);
  started(prometheus);
  const recorder = await startRecorder(url);
  ends.push(() => recorder.close());
  const routes: RouteAcceptor = acceptRoutes(cluster);
  ends.push(() => routes.stop());
  const interval = `${scrapeSeconds}s`;
  const server = { name: 'main', url: recorder.url, scrapeInterval: interval, lag: '1s' };
  const configYaml = JSON.stringify({ servers: [server], pollInterval: interval });
  return {
    cluster,
    exporter,
    recorder,
    prometheus,
    startOperator: async (options = {}) => {
      const operator = await startOperator(cluster, { ...options, configYaml });
      ends.push(() => operator.stop());
      return operator;
    },
    writesFromNow: () => {
      const read = newEntries(cluster, 'now');
      return () => read().map(writeOf);
    },
    stop: async () => {
      for (const end of ends.toReversed()) await end().catch(() => undefined);
    },
  };
}

function writeOf(entry: AuditedWrite): Write {
  const { resource, namespace = '', name = '', subresource = '' } = entry.objectRef;
  return {
    verb: entry.verb,
    resource,
    namespace,
    name,
    subresource,
    user: entry.user.username,
    code: entry.responseStatus.code,
    receivedMs: microsecondsOf(entry.requestReceivedTimestamp),
    doneMs: microsecondsOf(entry.stageTimestamp),
    request: entry.requestObject,
    object: entry.responseObject,
  };
}

/** RFC 3339 with six digits, as ms with fractions. */
function microsecondsOf(timestamp: string): number {
  const [, fraction = '0'] = /\.(\d+)Z$/.exec(timestamp) ?? [];
  const seconds = Date.parse(timestamp.replace(/\.\d+Z$/, 'Z'));
  return seconds + Number(`0.${fraction}`) * 1000;
}

async function startKwok(cluster: Cluster): Promise<Component> {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: nodeName, annotations: { 'kwok.x-k8s.io/node': 'fake' } },
  };
  await cluster.client.create('/api/v1/nodes', node);
  const [port = 0] = await freePorts(1);
  return startComponent(cluster.folder, {
    name: 'kwok',
    command: cluster.binaries('kwok'),
    args: [
      `--kubeconfig=${cluster.kubeconfig}`,
      `--config=${join(import.meta.dirname, 'kwok.yaml')}`,
      '--manage-all-nodes=true',
      '--cidr=198.18.0.0/16',
      '--node-ip=198.18.255.1',
      `--node-port=${port}`,
      '--node-lease-duration-seconds=0',
    ],
  });
}

async function startPrometheus(
  cluster: Cluster,
  exporter: Exporter,
  scrapeSeconds: number,
): Promise<readonly [Component, string]> {
  const [port = 0] = await freePorts(1);
  const config = join(cluster.folder, 'bench-prometheus.yml');
  const interval = `${scrapeSeconds}s`;
  const job = {
    job_name: 'bench',
    honor_labels: true,
    static_configs: [{ targets: [exporter.address] }],
  };
  const global = { scrape_interval: interval, scrape_timeout: interval };
  writeFileSync(config, JSON.stringify({ global, scrape_configs: [job] }));
  const component = startComponent(cluster.folder, {
    name: 'bench-prometheus',
    command: cluster.binaries('prometheus'),
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(cluster.folder, 'bench-prometheus')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--storage.tsdb.retention.time=2h',
      '--log.level=warn',
    ],
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor('Prometheus', async () => {
    const answer = await request(`${url}/-/ready`);
    await answer.body.dump();
    return answer.statusCode === 200;
  });
  return [component, url];
}
