// Installs the operator in a cluster as its users do: with Helm or kustomize, as Pods whose image
// is pulled by digest from a registry. It asserts nothing.
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { runCommand } from '../command.ts';
import { oncePerCluster } from '../once.ts';
import { imageLayout } from '../operatorImage.ts';
import { waitFor } from '../process.ts';
import { pushImage, registryOf } from '../registry.ts';

export const root = resolve(import.meta.dirname, '..', '..', '..');
export const chart = join(root, 'helm', 'x0tta');
/** Where the docs install the operator. */
export const systemNamespace = 'x0tta-system';
export const repository = 'x0tta/x0tta';

/** Settings for a Prometheus that scrapes every second, found as users find theirs. */
export const fastPrometheus = [
  '--set=prometheus.url=http://prometheus.monitoring:9090',
  '--set=prometheus.scrapeInterval=1s',
  '--set=prometheus.lag=1s',
  '--set=pollInterval=1s',
] as const;

/** Where the cluster's node pulls the operator's image from. */
export interface PushedImage {
  readonly registry: string;
  readonly digest: string;
}

/** Builds the image where it is not current, and pushes it. */
export const operatorImage = oncePerCluster(async (cluster): Promise<PushedImage> => {
  const digest = await pushImage(cluster, await imageLayout(), repository);
  return { registry: await registryOf(cluster), digest };
});

/** A Helm with folders of its own. */
export interface Helm {
  /** Runs it and returns what it printed. @throws Error with what it wrote to standard error. */
  run(...args: readonly string[]): Promise<string>;
  /** `install` or `upgrade` with the image that the cluster's node can pull. */
  deploy(command: 'install' | 'upgrade', ...args: readonly string[]): Promise<string>;
}

export function helmOf(cluster: Cluster, binary: 'helm' | 'helm3'): Helm {
  const folder = mkdtempSync(join(cluster.folder, 'helm-'));
  const env = {
    KUBECONFIG: cluster.kubeconfig,
    HELM_CACHE_HOME: join(folder, 'cache'),
    HELM_CONFIG_HOME: join(folder, 'config'),
    HELM_DATA_HOME: join(folder, 'data'),
  };
  const run: Helm['run'] = (...args) => runCommand(cluster.binaries(binary), args, { env });
  return {
    run,
    deploy: async (command, ...args) => {
      const { registry, digest } = await operatorImage(cluster);
      const image = [`--set=image.registry=${registry}`, `--set=image.digest=${digest}`];
      return run(command, ...args, ...image);
    },
  };
}

/** Makes the namespace with the level that Pods in it must pass. */
export async function restrictedNamespace(cluster: Cluster, name: string): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }]);
}

/** Waits until the Deployment runs what it should, and nothing else. */
export async function rolledOut(cluster: Cluster, namespace = systemNamespace): Promise<void> {
  const status = ['rollout', 'status', 'deployment/x0tta', '-n', namespace, '--timeout=120s'];
  try {
    await cluster.kubectl(status);
  } catch (error) {
    const pods = await cluster.kubectl(['describe', 'pods', '-n', namespace]);
    const logs = await cluster
      .kubectl(['logs', '-n', namespace, '-l', 'app.kubernetes.io/name=x0tta', '--tail=20'])
      .catch(String);
    throw new Error(`${String(error)}\n${pods.slice(-4000)}\n${logs}`, { cause: error });
  }
}

/** Installs the chart in its namespace, and waits until its Pods are Ready. */
export async function installChart(
  cluster: Cluster,
  helm: Helm,
  ...values: readonly string[]
): Promise<void> {
  await restrictedNamespace(cluster, systemNamespace);
  await helm.deploy('install', 'x0tta', chart, '-n', systemNamespace, ...values);
  await rolledOut(cluster);
}

/** Takes out the release, where there is one, and the CRD that it keeps. */
export async function uninstallChart(cluster: Cluster, helm: Helm): Promise<void> {
  await helm.run('uninstall', 'x0tta', '-n', systemNamespace, '--wait', '--ignore-not-found');
  await cluster.kubectl(['delete', 'crd', 'x0ttadeployments.x0tta.io', '--ignore-not-found']);
}

/** What is read of a Pod of the operator. */
export interface OperatorPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly status: {
    readonly containerStatuses?: readonly {
      readonly imageID: string;
      readonly restartCount: number;
      readonly containerID?: string;
    }[];
  };
}

export function operatorPods(
  cluster: Cluster,
  namespace = systemNamespace,
): Promise<readonly OperatorPod[]> {
  const selector = encodeURIComponent('app.kubernetes.io/name=x0tta');
  const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`;
  return cluster.client.list<OperatorPod>(path);
}

/** A Pod that leads, and the identity by which its process holds the Lease. */
export interface Leader {
  readonly pod: OperatorPod;
  readonly identity: string;
}

/** Who holds the Lease, once a Pod that is there does. */
export function leaderOf(cluster: Cluster): Promise<Leader> {
  return waitFor('a leader', async () => {
    const path = `/apis/coordination.k8s.io/v1/namespaces/${systemNamespace}/leases/x0tta`;
    interface Lease {
      readonly spec: { readonly holderIdentity?: string };
    }
    const { spec } = await cluster.client.get<Lease>(path);
    const identity = spec.holderIdentity ?? '';
    const pods = await operatorPods(cluster);
    const pod = pods.find(({ metadata }) => metadata.name === identity.split('_')[0]);
    return pod === undefined ? undefined : { pod, identity };
  });
}

/**
 * A copy of the chart as a later version, whose CRD has one more field in the spec and one more in
 * the status.
 */
export function nextChart(cluster: Cluster): string {
  const folder = join(mkdtempSync(join(cluster.folder, 'chart-')), 'x0tta');
  cpSync(chart, folder, { recursive: true });
  const change = (name: string, from: RegExp, to: string): void => {
    const path = join(folder, name);
    const text = readFileSync(path, 'utf8');
    const changed = text.replace(from, to);
    if (changed === text) throw new Error(`${name} has no ${from}`);
    writeFileSync(path, changed);
  };
  change('Chart.yaml', /^version: .*$/m, 'version: 99.0.0');
  const crd = 'templates/crd.yaml';
  for (const part of ['spec', 'status']) {
    // Its first lines are indented by 14, and those of its properties by 16.
    const properties = new RegExp(`^ {12}${part}:\\n(?: {14}.*\\n)*? {14}properties:\\n`, 'm');
    change(crd, properties, `$&${' '.repeat(16)}fromLater:\n${' '.repeat(18)}type: string\n`);
  }
  return folder;
}
