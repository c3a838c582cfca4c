// Gives a scenario a namespace of its own, so that many share one cluster.
import type { Cluster } from './cluster.ts';
import { waitFor } from './process.ts';

/**
 * Makes a namespace named `name` plus a suffix of its own, waits until pods can be made in it, and
 * returns its name.
 */
export async function freshNamespace(cluster: Cluster, name: string): Promise<string> {
  const created = await cluster.client.create('/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { generateName: `${name}-` },
  });
  const namespace = created.metadata.name;
  await waitFor(`the default service account of ${namespace}`, () =>
    cluster.client.get(`/api/v1/namespaces/${namespace}/serviceaccounts/default`),
  );
  return namespace;
}
