// Hands a cluster out to programs outside its sandbox, such as the kubectl of whoever ran the demo.
// How the bytes get there is in forward.ts.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { writeKubeconfig } from './controlPlane.ts';
import { reachFromHost } from './forward.ts';

/** Where the host reaches a cluster, for as long as the process that started it lives. */
export interface HostAccess {
  /** Path of a kubeconfig of a cluster admin. */
  readonly kubeconfig: string;
  readonly apiUrl: string;
  /** Of profile `gateway` only. */
  readonly gatewayUrl?: string;
  /** Of profile `gateway` only. */
  readonly prometheusUrl?: string;
}

// In the certificate of every API server, whichever address it is reached at.
const certificateName = 'kubernetes.default.svc';

/**
 * Makes the servers of a cluster reachable from the host's loopback. @throws Error when the sandbox
 * was started without --forward.
 */
export async function reachClusterFromHost(cluster: Cluster): Promise<HostAccess> {
  const reach = (name: string, url: string): Promise<string> =>
    reachFromHost(`${basename(cluster.folder)}-${name}`, url);
  const { gatewayUrl, prometheusUrl } = cluster;
  const apiUrl = await reach('api', cluster.apiUrl);
  const kubeconfig = join(cluster.folder, 'host.kubeconfig');
  writeKubeconfig(kubeconfig, apiUrl, cluster.ca, adminToken(cluster), certificateName);
  return {
    kubeconfig,
    apiUrl,
    ...(gatewayUrl === undefined ? {} : { gatewayUrl: await reach('gateway', gatewayUrl) }),
    ...(prometheusUrl === undefined
      ? {}
      : { prometheusUrl: await reach('prometheus', prometheusUrl) }),
  };
}

function adminToken({ kubeconfig }: Cluster): string {
  const config = JSON.parse(readFileSync(kubeconfig, 'utf8')) as {
    readonly users: readonly { readonly user: { readonly token: string } }[];
  };
  const [admin] = config.users;
  if (admin === undefined) throw new Error(`${kubeconfig} names no user`);
  return admin.user.token;
}
