// A real node: containerd, kubelet, kube-proxy and kube-scheduler, with pods on a bridge inside the
// sandbox. What the machine needs for it is in machine.ts.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryPath } from './binaries.ts';
import type { ApiClient } from './client.ts';
import { runCommand } from './command.ts';
import { nodeName } from './controlPlane.ts';
import type { ControlPlane } from './controlPlane.ts';
import { buildImage } from './image.ts';
import { clusterDns } from './dns.ts';
import { nodeAddress, podBridge } from './machine.ts';
import type { Parts } from './parts.ts';
import { waitFor } from './process.ts';
import { cniFolder } from './requirements.ts';

const podRange = '198.18.0.0/17';
const pauseImage = 'x0tta.test/pause:1';
// The sandbox has a /run of its own, so the default places are private, and short enough for a
// socket's path.
const runtimeSocket = '/run/containerd/containerd.sock';

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly taints?: readonly unknown[] };
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Starts containerd and gives it the image of the pods' sandbox containers. */
export async function startRuntime(parts: Parts): Promise<void> {
  parts.log('starting containerd');
  const config = join(parts.folder, 'containerd.toml');
  writeFileSync(config, runtimeConfig(parts.folder));
  writeCniConfig(parts.folder);
  parts.start({ name: 'containerd', command: 'containerd', args: ['--config', config] });
  const pause = join(parts.folder, 'pause');
  mkdirSync(pause);
  copyFileSync(binaryPath('pause'), join(pause, 'pause'));
  const tarPath = join(parts.folder, 'pause.tar');
  await buildImage({ name: pauseImage, rootFolder: pause, entrypoint: ['/pause'], tarPath });
  await waitFor('containerd', () => runCommand('ctr', ['version']));
  await importImage(tarPath);
}

/** Imports the tar of an image into the node. */
export async function importImage(tarPath: string): Promise<void> {
  await runCommand('ctr', ['--namespace', 'k8s.io', 'images', 'import', tarPath]);
}

/** Starts kubelet, kube-proxy and kube-scheduler, and waits until the node takes pods. */
export async function startNode(
  parts: Parts,
  controlPlane: ControlPlane,
  cgroup: string,
): Promise<void> {
  const { folder } = parts;
  parts.log('starting kube-scheduler, kubelet and kube-proxy');
  parts.start({
    name: 'kube-scheduler',
    command: binaryPath('kube-scheduler'),
    args: [
      `--kubeconfig=${controlPlane.kubeconfigOf('scheduler')}`,
      '--leader-elect=false',
      '--secure-port=0',
      '--profiling=false',
    ],
  });
  const kubeletConfig = writeJson(
    join(folder, 'kubelet.json'),
    kubeletConfiguration(folder, cgroup),
  );
  parts.start({
    name: 'kubelet',
    command: binaryPath('kubelet'),
    args: [
      `--config=${kubeletConfig}`,
      `--kubeconfig=${controlPlane.kubeconfigOf('kubelet')}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${nodeAddress}`,
      // What cAdvisor serves must not be older than a scrape interval.
      '--housekeeping-interval=1s',
    ],
  });
  const proxyConfig = proxyConfiguration(controlPlane.kubeconfigOf('proxy'));
  parts.start({
    name: 'kube-proxy',
    command: binaryPath('kube-proxy'),
    args: [`--config=${writeJson(join(folder, 'kube-proxy.json'), proxyConfig)}`],
  });
  await waitFor('the node to be ready', () => takesPods(controlPlane.client));
  parts.log('the node is ready');
}

async function takesPods(client: ApiClient): Promise<boolean> {
  const node = await client.get<NodeObject>(`/api/v1/nodes/${nodeName}`);
  const ready = node.status.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' && (node.spec.taints ?? []).length === 0;
}

function runtimeConfig(folder: string): string {
  const cri = 'plugins."io.containerd.grpc.v1.cri"';
  // Lowering a process's OOM score needs CAP_SYS_RESOURCE, which a virtual machine's root may lack.
  // A profile of AppArmor would stay in the machine's kernel after the end of the node.
  return `version = 2
root = "${join(folder, 'containerd')}"
state = "/run/containerd"
[grpc]
  address = "${runtimeSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${join(folder, 'containerd-opt')}"
[${cri}]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  disable_apparmor = true
[${cri}.containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[${cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
  SystemdCgroup = false
[${cri}.cni]
  bin_dir = "${cniFolder}"
  conf_dir = "${join(folder, 'cni')}"
`;
}

function writeCniConfig(folder: string): void {
  mkdirSync(join(folder, 'cni'));
  const ipam = {
    type: 'host-local',
    dataDir: join(folder, 'cni-addresses'),
    ranges: [[{ subnet: podRange }]],
    routes: [{ dst: '0.0.0.0/0' }],
  };
  const bridge = { type: 'bridge', bridge: podBridge, isGateway: true, hairpinMode: true, ipam };
  writeJson(join(folder, 'cni', '10-pods.conflist'), {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [bridge],
  });
}

function kubeletConfiguration(folder: string, cgroup: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: nodeAddress,
    // The network namespace is the fence; the API server calls the kubelet without a client
    // certificate.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${runtimeSocket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroup,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    oomScoreAdj: 0,
    resolvConf: '',
    clusterDNS: [clusterDns.address],
    clusterDomain: clusterDns.domain,
    // The disk is the machine's; how full it is must not decide over a test.
    evictionHard: {
      'memory.available': '0%',
      'nodefs.available': '0%',
      'nodefs.inodesFree': '0%',
      'imagefs.available': '0%',
      'imagefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    podLogsDir: join(folder, 'pod-logs'),
    volumePluginDir: join(folder, 'volume-plugins'),
    serializeImagePulls: false,
    kubeAPIQPS: 200,
    kubeAPIBurst: 400,
  };
}

function proxyConfiguration(kubeconfig: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    hostnameOverride: nodeName,
    bindAddress: nodeAddress,
    clientConnection: { kubeconfig },
    // Pods share a bridge: without masquerade an answer would bypass the rules that made a service
    // of the pod.
    iptables: { masqueradeAll: true, localhostNodePorts: false, minSyncPeriod: '100ms' },
    oomScoreAdj: 0,
    // The conntrack limits belong to the machine and can't be set from here.
    conntrack: {
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: '0s',
      tcpCloseWaitTimeout: '0s',
    },
  };
}

function writeJson(path: string, content: object): string {
  writeFileSync(path, JSON.stringify(content, null, 2));
  return path;
}
