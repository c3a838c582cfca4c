// Starts a real cluster inside a sandbox and hands out what tests and the demo need of it. What
// each part of it runs is in controlPlane.ts, node.ts, gateway.ts and prometheus.ts.
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { binaryPath, gatewayApiFolder } from './binaries.ts';
import type { ApiClient } from './client.ts';
import { runCommand } from './command.ts';
import { startControlPlane, writeKubeconfig } from './controlPlane.ts';
import type { ControlPlane } from './controlPlane.ts';
import { startDns } from './dns.ts';
import { startGateway } from './gateway.ts';
import { nodeAddress, prepareMachine } from './machine.ts';
import { importImage, startNode, startRuntime } from './node.ts';
import { createParts } from './parts.ts';
import type { Parts } from './parts.ts';
import { waitFor } from './process.ts';
import type { Component, ComponentSpec } from './process.ts';
import { startPrometheus } from './prometheus.ts';

/**
 * `control-plane`: no node, pods' status is set by startPodSetter; `node`: real pods on one node;
 * `gateway`: a node, a gateway with a data plane and a Prometheus.
 */
export type Profile = 'control-plane' | 'node' | 'gateway';

/** What to start, and where each step is told. */
export interface ClusterOptions {
  readonly profile: Profile;
  /** Called with a line for each step and the seconds since the start; silent when left out. */
  readonly log?: (line: string) => void;
}

/** A running cluster. */
export interface Cluster {
  readonly profile: Profile;
  /**
   * Folder of everything the cluster writes; each component's output is in `logs/<component>.log`.
   */
  readonly folder: string;
  /** Path of the kubeconfig of a cluster admin. */
  readonly kubeconfig: string;
  readonly apiUrl: string;
  /** PEM text of the API server's certificate authority. */
  readonly ca: string;
  /** JSON client of the same admin. */
  readonly client: ApiClient;
  /** JSON lines (audit.k8s.io/v1): every write, of namespaced objects with request and response. */
  readonly auditLog: string;
  /** Where Prometheus answers; of profile `gateway` only. */
  readonly prometheusUrl?: string;
  /** Where the gateway takes traffic; of profile `gateway` only. */
  readonly gatewayUrl?: string;
  /**
   * Runs kubectl as admin and returns its output. @throws Error with what it wrote to standard
   * error.
   */
  kubectl(args: readonly string[], options?: { readonly input?: string }): Promise<string>;
  /** Applies YAML text or objects on the server's side, taking over fields of others. */
  apply(what: string | readonly object[]): Promise<string>;
  /** Path of a pinned binary, for example 'kubectl'. @throws Error when it is not built. */
  binaries(name: string): string;
  /**
   * A component, for tests that stop one, for example 'prometheus'. @throws Error naming those that
   * there are.
   */
  component(name: string): Component;
  /** Starts one more component, which ends with the cluster. */
  start(spec: ComponentSpec): Component;
  /** Imports the tar of an image into the node; pods use it with `imagePullPolicy: Never`. */
  importImage(tarPath: string): Promise<void>;
  /** A token, good for 24 hours, of a service account given as 'namespace/name'. */
  tokenFor(serviceAccount: string): Promise<string>;
  /**
   * Path of a kubeconfig with such a token; `apiUrl` replaces the server's, for a proxy in between.
   */
  kubeconfigFor(serviceAccount: string, apiUrl?: string): Promise<string>;
  /** Ends all components and removes the folder. */
  stop(): Promise<void>;
}

/**
 * Starts a cluster and waits until it can be used. Any number of control planes run in one sandbox,
 * but one node.
 * @throws Error outside a sandbox, when a binary or package is missing, or when a part does not get
 * ready.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const sandboxFolder = process.env['X0TTA_SANDBOX_FOLDER'];
  if (sandboxFolder === undefined) {
    throw new Error('a cluster needs a sandbox: `node test/cluster/sandbox.ts -- COMMAND`');
  }
  const folder = mkdtempSync(join(sandboxFolder, `${options.profile}-`));
  const beganMs = performance.now();
  const log = (line: string): void => {
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1).padStart(5);
    options.log?.(`${seconds} s  ${options.profile}: ${line}`);
  };
  const parts = createParts(folder, log);
  parts.onStop(() => rm(folder, { recursive: true, force: true, maxRetries: 20 }));
  try {
    const cluster = await startParts(options.profile, parts);
    log('the cluster is up');
    return cluster;
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

async function startParts(profile: Profile, parts: Parts): Promise<Cluster> {
  if (profile === 'control-plane') {
    const controlPlane = await startControlPlane(parts);
    const cluster = accessTo(parts, controlPlane, profile);
    await installGatewayApi(cluster);
    return cluster;
  }
  const cgroup = await prepareMachine(parts);
  const [controlPlane] = await Promise.all([
    startControlPlane(parts, nodeAddress),
    startRuntime(parts),
  ]);
  const cluster = accessTo(parts, controlPlane, profile);
  const [, gatewayUrl, prometheusUrl] = await Promise.all([
    Promise.all([startNode(parts, controlPlane, cgroup), startDns(parts, cluster)]),
    installGatewayApi(cluster).then(() =>
      profile === 'gateway' ? startGateway(parts, cluster) : undefined,
    ),
    profile === 'gateway' ? startPrometheus(parts, cluster) : undefined,
  ]);
  if (gatewayUrl === undefined || prometheusUrl === undefined) return cluster;
  return { ...cluster, gatewayUrl, prometheusUrl };
}

async function installGatewayApi(cluster: Cluster): Promise<void> {
  await cluster.kubectl(['apply', '--server-side', '-f', gatewayApiFolder()]);
  // A definition is established a moment before its objects can be listed.
  await waitFor('the Gateway API to be served', () =>
    cluster.client.list('/apis/gateway.networking.k8s.io/v1/httproutes'),
  );
}

/** The cluster as far as its API server makes it. */
function accessTo(parts: Parts, controlPlane: ControlPlane, profile: Profile): Cluster {
  const { folder } = parts;
  const { apiUrl, ca, client, auditLog } = controlPlane;
  const kubeconfig = controlPlane.kubeconfigOf('admin');
  const kubectl: Cluster['kubectl'] = (args, options = {}) =>
    runCommand(binaryPath('kubectl'), args, {
      ...options,
      env: { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(folder, 'kubectl-cache') },
    });
  const tokenFor: Cluster['tokenFor'] = async (serviceAccount) => {
    const [namespace = '', name = ''] = serviceAccount.split('/');
    const output = await kubectl(['create', 'token', '-n', namespace, name, '--duration=24h']);
    return output.trim();
  };
  return {
    profile,
    folder,
    kubeconfig,
    apiUrl,
    ca,
    client,
    auditLog,
    kubectl,
    tokenFor,
    apply: (what) => {
      const input =
        typeof what === 'string'
          ? what
          : JSON.stringify({ apiVersion: 'v1', kind: 'List', items: what });
      return kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input });
    },
    binaries: binaryPath,
    component: (name) => parts.component(name),
    start: (spec) => parts.start(spec),
    importImage,
    kubeconfigFor: async (serviceAccount, otherUrl) => {
      const path = join(mkdtempSync(join(folder, 'account-')), 'kubeconfig');
      writeKubeconfig(path, otherUrl ?? apiUrl, ca, await tokenFor(serviceAccount));
      return path;
    },
    stop: () => parts.stop(),
  };
}
