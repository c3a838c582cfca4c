// A Prometheus that finds and labels pods as a standard installation does, but scrapes every
// second.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { createAccount } from './account.ts';
import { binaryPath } from './binaries.ts';
import type { Cluster } from './cluster.ts';
import type { Parts } from './parts.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }];

/** Starts Prometheus, waits until it answers queries, and returns its URL. */
export async function startPrometheus(parts: Parts, cluster: Cluster): Promise<string> {
  parts.log('starting Prometheus');
  const kubeconfig = await createAccount(cluster, 'monitoring', 'prometheus', rules);
  const [port = 0] = await freePorts(1);
  const listen = `127.0.0.1:${port}`;
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
      '--log.level=warn',
    ],
  });
  await waitFor('Prometheus to be ready', async () => {
    const answer = await request(`http://${listen}/-/ready`);
    await answer.body.dump();
    return answer.statusCode === 200;
  });
  return `http://${listen}`;
}

function configuration(kubeconfig: string): object {
  const pod = '__meta_kubernetes_pod';
  const annotation = `${pod}_annotation_prometheus_io`;
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    scrape_configs: [
      {
        job_name: 'kubernetes-pods',
        kubernetes_sd_configs: [{ role: 'pod', kubeconfig_file: kubeconfig }],
        relabel_configs: [
          { action: 'keep', source_labels: [`${annotation}_scrape`], regex: 'true' },
          { action: 'drop', source_labels: [`${pod}_phase`], regex: 'Pending|Succeeded|Failed' },
          {
            source_labels: [`${annotation}_path`],
            regex: '(.+)',
            target_label: '__metrics_path__',
          },
          {
            source_labels: [`${pod}_ip`, `${annotation}_port`],
            regex: '(.+);(\\d+)',
            replacement: '$1:$2',
            target_label: '__address__',
          },
          { action: 'labelmap', regex: `${pod}_label_(.+)` },
          { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
          { source_labels: [`${pod}_name`], target_label: 'pod' },
        ],
      },
    ],
  };
}
