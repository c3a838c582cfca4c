// The DNS of a cluster with a node: CoreDNS as a process of the node's machine, which answers for
// Services by the names that users write. It forwards nothing.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { createAccount } from './account.ts';
import { binaryPath } from './binaries.ts';
import type { Cluster } from './cluster.ts';
import { nodeAddress } from './machine.ts';
import type { Parts } from './parts.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** What kubelet writes into the pods' /etc/resolv.conf. */
export const clusterDns = { address: nodeAddress, domain: 'cluster.local' } as const;

const read = ['list', 'watch'];
const rules = [
  { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: read },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
];

/** Starts CoreDNS and waits until it knows the Services that there are. */
export async function startDns(parts: Parts, cluster: Cluster): Promise<void> {
  parts.log('starting CoreDNS');
  const kubeconfig = await createAccount(cluster, 'dns-system', 'coredns', rules);
  const [port = 0] = await freePorts(1);
  const corefile = join(parts.folder, 'Corefile');
  writeFileSync(
    corefile,
    `.:53 {
  bind ${clusterDns.address}
  errors
  ready 127.0.0.1:${port}
  cache 1
  kubernetes ${clusterDns.domain} {
    kubeconfig ${kubeconfig}
    ttl 1
  }
}
`,
  );
  parts.start({ name: 'coredns', command: binaryPath('coredns'), args: ['-conf', corefile] });
  await waitFor('CoreDNS to be ready', async () => {
    const answer = await request(`http://127.0.0.1:${port}/ready`);
    await answer.body.dump();
    return answer.statusCode === 200;
  });
}
