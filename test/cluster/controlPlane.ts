// The control plane: etcd, kube-apiserver with an audit log, and kube-controller-manager, on free
// ports. It makes no node and installs nothing in the cluster.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binaryPath } from './binaries.ts';
import { createClient } from './client.ts';
import type { ApiClient } from './client.ts';
import type { Parts } from './parts.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** A running control plane and what a component needs to speak to it. */
export interface ControlPlane {
  readonly apiUrl: string;
  /** PEM text of the API server's certificate authority. */
  readonly ca: string;
  readonly client: ApiClient;
  readonly auditLog: string;
  /** Writes a kubeconfig for one of the users of `users` and returns its path. */
  kubeconfigOf(user: UserName): string;
}

/** Name of the only node of a cluster. */
export const nodeName = 'node-1';

/** The service range; the API server's own service has its first address. */
export const serviceRange = '198.19.0.0/16';

// User names and groups that the API server's authorizers know from RBAC's and the node
// authorizer's defaults.
const users = {
  admin: ['admin', 'system:masters'],
  controllerManager: ['system:kube-controller-manager', ''],
  scheduler: ['system:kube-scheduler', ''],
  kubelet: [`system:node:${nodeName}`, 'system:nodes'],
  proxy: ['system:kube-proxy', ''],
} as const;
type UserName = keyof typeof users;

/** The service account whose reads are logged as well: who judges what an operator may do. */
export const auditedReader = 'system:serviceaccount:x0tta-audited:x0tta';

// Other reads are left out: they are many and change nothing. Objects without a namespace, secrets
// and tokens are logged without their content.
const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Metadata', users: [auditedReader], verbs: ['get', 'list', 'watch'] },
    { level: 'None', verbs: ['get', 'list', 'watch'] },
    { level: 'Metadata', namespaces: [''] },
    {
      level: 'Metadata',
      resources: [{ group: '', resources: ['secrets', 'serviceaccounts/token'] }],
    },
    { level: 'RequestResponse' },
  ],
};

/**
 * Starts a control plane and waits until it is ready and its controllers have made the default
 * service account.
 * @param nodeAddress address at which pods and the kubelet reach the API server; undefined keeps it
 * on loopback.
 */
export async function startControlPlane(parts: Parts, nodeAddress?: string): Promise<ControlPlane> {
  const { folder } = parts;
  parts.log('starting etcd, kube-apiserver and kube-controller-manager');
  const [etcdPort, etcdPeerPort, apiPort] = (await freePorts(3)) as [number, number, number];
  const apiUrl = `https://${nodeAddress ?? '127.0.0.1'}:${apiPort}`;
  const tokens = writeSecrets(folder);
  startEtcd(parts, etcdPort, etcdPeerPort);
  startApiServer(parts, etcdPort, apiPort, nodeAddress);
  // The server signs its own certificate at start; the file holds it and its authority.
  const caFile = join(folder, 'pki', 'apiserver.crt');
  await waitFor(
    'the API server certificate',
    () => existsSync(caFile) && readFileSync(caFile).length > 0,
  );
  const ca = readFileSync(caFile, 'utf8');
  const kubeconfigOf = (user: UserName): string => {
    const path = join(folder, `${user}.kubeconfig`);
    writeKubeconfig(path, apiUrl, ca, tokens[user]);
    return path;
  };
  startControllerManager(parts, kubeconfigOf('controllerManager'), nodeAddress !== undefined);
  const client = createClient(apiUrl, tokens.admin, ca);
  parts.onStop(() => client.close());
  await waitFor('the API server to be ready', () => client.text('/readyz'));
  await waitFor('the default service account', () =>
    client.get('/api/v1/namespaces/default/serviceaccounts/default'),
  );
  parts.log('the control plane is ready');
  return { apiUrl, ca, client, auditLog: auditLogOf(folder), kubeconfigOf };
}

/**
 * Writes a kubeconfig with one cluster, one bearer token and, when given, the name to verify the
 * certificate by.
 */
export function writeKubeconfig(
  path: string,
  apiUrl: string,
  ca: string,
  token: string,
  tlsServerName?: string,
): void {
  const cluster = {
    server: apiUrl,
    'certificate-authority-data': Buffer.from(ca).toString('base64'),
    ...(tlsServerName === undefined ? {} : { 'tls-server-name': tlsServerName }),
  };
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x0tta',
    clusters: [{ name: 'x0tta', cluster }],
    users: [{ name: 'x0tta', user: { token } }],
    contexts: [{ name: 'x0tta', context: { cluster: 'x0tta', user: 'x0tta' } }],
  };
  writeFileSync(path, JSON.stringify(kubeconfig, null, 2), { mode: 0o600 });
}

function auditLogOf(folder: string): string {
  return join(folder, 'logs', 'audit.jsonl');
}

function writeSecrets(folder: string): Readonly<Record<UserName, string>> {
  mkdirSync(join(folder, 'pki'), { recursive: true, mode: 0o700 });
  mkdirSync(join(folder, 'logs'), { recursive: true });
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(folder, 'pki', 'sa.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(join(folder, 'pki', 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(join(folder, 'audit-policy.json'), JSON.stringify(auditPolicy));
  const token = (): string => randomBytes(16).toString('hex');
  const tokens = {
    admin: token(),
    controllerManager: token(),
    scheduler: token(),
    kubelet: token(),
    proxy: token(),
  };
  const rows = Object.entries(users).map(([key, [name, group]]) => {
    return `${tokens[key as UserName]},${name},${name},"${group}"`;
  });
  writeFileSync(join(folder, 'pki', 'tokens.csv'), rows.join('\n'), { mode: 0o600 });
  return tokens;
}

function startEtcd(parts: Parts, port: number, peerPort: number): void {
  const { folder } = parts;
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  parts.start({
    name: 'etcd',
    command: binaryPath('etcd'),
    args: [
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=default=${peerUrl}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
  });
}

function startApiServer(
  parts: Parts,
  etcdPort: number,
  port: number,
  nodeAddress: string | undefined,
): void {
  const { folder } = parts;
  const pki = join(folder, 'pki');
  parts.start({
    name: 'kube-apiserver',
    command: binaryPath('kube-apiserver'),
    // It is what tests wait for most, and a good part of its work is collecting garbage.
    env: { GOGC: '400' },
    args: [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`,
      `--cert-dir=${pki}`,
      `--bind-address=${nodeAddress === undefined ? '127.0.0.1' : '0.0.0.0'}`,
      `--advertise-address=${nodeAddress ?? '127.0.0.1'}`,
      // The endpoint of the `kubernetes` service may not be on loopback, so without a node it has
      // none.
      ...(nodeAddress === undefined ? ['--endpoint-reconciler-type=none'] : []),
      `--secure-port=${port}`,
      `--service-cluster-ip-range=${serviceRange}`,
      `--token-auth-file=${join(pki, 'tokens.csv')}`,
      '--authorization-mode=Node,RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${join(pki, 'sa.pub')}`,
      `--service-account-signing-key-file=${join(pki, 'sa.key')}`,
      '--allow-privileged=true',
      // Nothing in the sandbox resolves the node's name.
      '--kubelet-preferred-address-types=InternalIP',
      `--audit-policy-file=${join(folder, 'audit-policy.json')}`,
      `--audit-log-path=${auditLogOf(folder)}`,
      // In MB: by default a new file begins at 100, and who reads the log would miss the old one.
      '--audit-log-maxsize=100000',
      '--profiling=false',
    ],
  });
}

function startControllerManager(parts: Parts, kubeconfig: string, hasNode: boolean): void {
  // Without a kubelet nobody renews a node's lease, and the life cycle controller would evict the
  // pods of the node.
  const controllers = hasNode ? '*' : '*,-node-lifecycle-controller';
  parts.start({
    name: 'kube-controller-manager',
    command: binaryPath('kube-controller-manager'),
    args: [
      `--kubeconfig=${kubeconfig}`,
      `--controllers=${controllers}`,
      '--leader-elect=false',
      '--use-service-account-credentials=true',
      // The defaults (20 a second) would spend five seconds of the start on the controllers'
      // tokens.
      '--kube-api-qps=1000',
      '--kube-api-burst=1000',
      `--service-account-private-key-file=${join(parts.folder, 'pki', 'sa.key')}`,
      `--root-ca-file=${join(parts.folder, 'pki', 'apiserver.crt')}`,
      // The default is a folder of the machine, and it would be made there.
      `--flex-volume-plugin-dir=${join(parts.folder, 'volume-plugins')}`,
      '--secure-port=0',
      '--profiling=false',
    ],
  });
}
