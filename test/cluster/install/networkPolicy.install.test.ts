// The NetworkPolicy of the chart where one is enforced, by kube-router: scrapes and probes get in,
// and where the values name who may scrape, nobody else does.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createAccount } from '../account.ts';
import type { Cluster } from '../cluster.ts';
import { nodeName } from '../controlPlane.ts';
import { freshNamespace } from '../namespace.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import {
  chart,
  helmOf,
  operatorImage,
  installChart,
  repository,
  rolledOut,
  systemNamespace,
  uninstallChart,
} from './installation.ts';
import type { Helm } from './installation.ts';

const rules = [
  { apiGroups: [''], resources: ['namespaces', 'pods', 'services', 'nodes', 'endpoints'] },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
].map((rule) => ({ ...rule, verbs: ['get', 'list', 'watch'] }));

describe('the network policy', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let helm: Helm;

  before(async () => {
    cluster = await sharedCluster('gateway');
    helm = helmOf(cluster, 'helm');
    const kubeconfig = await createAccount(cluster, 'network-system', 'kube-router', rules);
    mkdirSync(join(cluster.folder, 'kube-router'), { recursive: true });
    cluster.start({
      name: 'kube-router',
      command: cluster.binaries('kube-router'),
      args: [
        `--kubeconfig=${kubeconfig}`,
        `--hostname-override=${nodeName}`,
        '--run-firewall=true',
        '--run-router=false',
        '--run-service-proxy=false',
        '--iptables-sync-period=2s',
        '--metrics-port=0',
        '--health-port=0',
      ],
    });
  });

  after(async () => {
    await uninstallChart(cluster, helm);
    await cluster.component('kube-router').stop();
  });

  const upgrade = async (...values: string[]): Promise<void> => {
    await helm.deploy('upgrade', 'x0tta', chart, '-n', systemNamespace, ...values);
    await rolledOut(cluster);
  };

  /** Whether a Pod in a namespace with such labels gets the operator's metrics. */
  const canScrape = async (labels: Readonly<Record<string, string>>): Promise<boolean> => {
    const namespace = await freshNamespace(cluster, 'scraper');
    await cluster.client.patch(`/api/v1/namespaces/${namespace}`, { metadata: { labels } });
    const { registry, digest } = await operatorImage(cluster);
    const url = `http://x0tta-metrics.${systemNamespace}:8080/metrics`;
    const script =
      `fetch('${url}', { signal: AbortSignal.timeout(5000) })` +
      '.then((answer) => process.exit(answer.ok ? 0 : 2)).catch(() => process.exit(3))';
    const path = `/api/v1/namespaces/${namespace}/pods`;
    await cluster.client.create(path, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'scraper' },
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            name: 'scraper',
            image: `${registry}/${repository}@${digest}`,
            command: ['/usr/local/bin/node', '-e', script],
          },
        ],
      },
    });
    interface Pod {
      readonly status: { readonly phase: string };
    }
    const phase = await waitFor('the end of the scrape', async () => {
      const { status } = await cluster.client.get<Pod>(`${path}/scraper`);
      return ['Succeeded', 'Failed'].includes(status.phase) && status.phase;
    });
    await cluster.kubectl(['delete', 'namespace', namespace, '--wait=false']);
    return phase === 'Succeeded';
  };

  it('lets everybody scrape, and the kubelet probe, with the default values', async () => {
    await installChart(cluster, helm);
    expect(await canScrape({})).to.equal(true);
  });

  it('lets only those scrape whom the values name', async () => {
    const who = 'networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.scrapes';
    await upgrade(`--set-string=${who}=all`);
    await waitFor('the policy to be in force', async () => !(await canScrape({})), 120_000);
    expect(await canScrape({ scrapes: 'all' })).to.equal(true);
  });

  it('lets everybody in again without the policy', async () => {
    await upgrade('--set=networkPolicy.enabled=false');
    await waitFor('the policy to be gone', () => canScrape({}), 120_000);
  });
});
