// When an admission policy holds, and by which words its refusals are known.
import type { ApiClient } from '../client.ts';
import { waitFor } from '../process.ts';
import { refusalOf } from './writes.ts';

/** The beginning of each refusal by the chart's policy of this name. */
export function denialOf(policy: string): string {
  return `ValidatingAdmissionPolicy '${policy}' with binding '${policy}' denied request: `;
}

/**
 * Waits until the policy refuses the client's account a ReplicaSet: the API server takes a new
 * policy and its binding up a moment after they were stored.
 */
export async function policyInForce(
  client: ApiClient,
  namespace: string,
  policy: string,
): Promise<void> {
  const labels = { app: 'unmarked' };
  const object = {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'unmarked' },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'app', image: 'none' }] },
      },
    },
  };
  await waitFor(`the admission policy ${policy} to be in force`, async () => {
    const write = { kind: 'create', resource: 'replicasets', object } as const;
    const refusal = await refusalOf(client, namespace, write);
    if (refusal.includes(denialOf(policy))) return true;
    throw new Error(refusal === '' ? 'it lets an unmarked ReplicaSet pass' : refusal);
  });
}
