// A Prometheus that finds and labels pods as a standard installation does, and the kubelet's
// cAdvisor with them, but scrapes every second. It evaluates no rules.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { createAccount } from './account.ts';
import { binaryPath } from './binaries.ts';
import type { Cluster } from './cluster.ts';
import { nodeAddress } from './machine.ts';
import type { Parts } from './parts.ts';
import { waitFor } from './process.ts';

/** Users find it there, and pods do: http://prometheus.monitoring:9090. */
const service = { namespace: 'monitoring', name: 'prometheus' } as const;
// The sandbox has one node, so it is free.
const port = 9090;
const listen = `127.0.0.1:${port}`;

const rules = [{ apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }];

/** Starts Prometheus, waits until it answers queries, and returns its URL. */
export async function startPrometheus(parts: Parts, cluster: Cluster): Promise<string> {
  parts.log('starting Prometheus');
  const kubeconfig = await createAccount(cluster, service.namespace, service.name, rules);
  const config = join(parts.folder, 'prometheus.yml');
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(configuration(kubeconfig), null, 2));
  parts.start({
    name: 'prometheus',
    command: binaryPath('prometheus'),
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(parts.folder, 'prometheus')}`,
      `--web.listen-address=${listen}`,
      `--web.listen-address=${nodeAddress}:${port}`,
      '--storage.tsdb.retention.time=2h',
      // The folder is new and of this process alone.
      '--storage.tsdb.no-lockfile',
      // The smallest there is; a segment is allocated whole.
      '--storage.tsdb.wal-segment-size=10MB',
      '--log.level=warn',
    ],
  });
  await waitFor('Prometheus to be ready', async () => {
    const answer = await request(`http://${listen}/-/ready`);
    await answer.body.dump();
    return answer.statusCode === 200;
  });
  await cluster.apply(serviceObjects());
  parts.log('Prometheus is ready');
  return `http://${listen}`;
}

/** It is no pod, so its Service has no selector and an address that is written down. */
function serviceObjects(): readonly object[] {
  const ports = [{ name: 'web', port }];
  const labels = { 'kubernetes.io/service-name': service.name };
  return [
    { apiVersion: 'v1', kind: 'Service', metadata: service, spec: { ports } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...service, labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: [nodeAddress], conditions: { ready: true } }],
      ports,
    },
  ];
}

function configuration(kubeconfig: string): object {
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    scrape_configs: [podScrape(kubeconfig), kubeletScrape(kubeconfig)],
  };
}

/** Every port named `http` or `metrics` of every pod that runs, whatever its namespace. */
function podScrape(kubeconfig: string): object {
  const pod = '__meta_kubernetes_pod';
  return {
    job_name: 'kubernetes-pods',
    kubernetes_sd_configs: [{ role: 'pod', kubeconfig_file: kubeconfig }],
    relabel_configs: [
      { action: 'keep', source_labels: [`${pod}_container_port_name`], regex: 'http|metrics' },
      { action: 'drop', source_labels: [`${pod}_phase`], regex: 'Pending|Succeeded|Failed' },
      { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
      { source_labels: [`${pod}_name`], target_label: 'pod' },
    ],
  };
}

/** What the kernel says about containers. Their namespace and pod come as labels of the series. */
function kubeletScrape(kubeconfig: string): object {
  const kept = 'container_(memory_working_set_bytes|cpu_usage_seconds_total|oom_events_total)';
  return {
    job_name: 'kubelet',
    scheme: 'https',
    metrics_path: '/metrics/cadvisor',
    // The kubelet signs its own certificate, and the fence is the network namespace.
    tls_config: { insecure_skip_verify: true },
    kubernetes_sd_configs: [{ role: 'node', kubeconfig_file: kubeconfig }],
    metric_relabel_configs: [{ action: 'keep', source_labels: ['__name__'], regex: kept }],
  };
}
