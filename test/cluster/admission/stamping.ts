// A webhook's stand-in that stamps a label and an annotation on some objects of a scene whenever
// they change, and an account whose policy knows of it: the chart's, with both keys in its values.
// The policy of the operator's own account does not.
import { renderChart } from '../audited.ts';
import { createClient } from '../client.ts';
import type { ApiClient } from '../client.ts';
import type { Cluster } from '../cluster.ts';
import { waitFor } from '../process.ts';
import { app } from '../scenarios/stage.ts';
import { denialOf, policyInForce } from './inForce.ts';
import { weigh } from './passes.ts';
import { messages } from './refusals.ts';
import { everyRight, route } from './scene.ts';
import { pathOf } from './writes.ts';
import type { Refusal, Resource, RouteResource } from './writes.ts';

/** What the webhook is about, and the account. */
export interface Stamping {
  /** An account whose policy lists the stamped keys. */
  readonly operator: ApiClient;
  /** The beginning of each refusal by that policy. */
  readonly denial: string;
  /** Takes out what belongs to no namespace. */
  close(): Promise<void>;
}

/** Name of the objects that are stamped: an X0ttaDeployment, an HTTPRoute and a GRPCRoute. */
const stamped = 'stamped';
const label = 'example.com/changed';
const annotation = 'example.com/changed-by';
const routes: readonly RouteResource[] = ['httproutes', 'grpcroutes'];
const resources: readonly Resource[] = [...routes, 'x0ttadeployments'];
const admission = 'admissionregistration.k8s.io/v1';

const change = (
  what: string,
  resource: Resource,
  patch: object,
  message: keyof typeof messages,
): Refusal => ({
  what: `${what} of ${resource}`,
  write: { kind: 'patch', resource, name: stamped, patch },
  message: messages[message],
});

const finalizers = { metadata: { finalizers: ['x0tta.io/traffic'] } };

/** Writes of the operator, each with what the policy says where it knows of no stamp. */
export const stampedWrites: readonly Refusal[] = [
  ...routes.map((resource) => change('change the weights', resource, weigh, 'metadata')),
  change('put its finalizer on one', 'x0ttadeployments', finalizers, 'object'),
];

/** Writes with a key that nothing stamps, and what the policy says to each. */
export const stampedRefusals: readonly Refusal[] = resources.flatMap((resource) => {
  const message = resource === 'x0ttadeployments' ? 'object' : 'metadata';
  return ['labels', 'annotations'].map((kind) => {
    const patch = { metadata: { [kind]: { 'example.com/other': 'a' } } };
    return change(`change other ${kind}`, resource, patch, message);
  });
});

/** Makes the stamped objects, and waits until the stamps and the policy are in force. */
export async function openStamping(cluster: Cluster, namespace: string): Promise<Stamping> {
  const { client } = cluster;
  const chart = await renderChart(cluster, [
    `namespaceOverride=${namespace}`,
    `admissionPolicy.stampedKeys={${label},${annotation}}`,
  ]);
  const policies = [
    ...chart.filter(({ kind }) => kind.startsWith('ValidatingAdmissionPolicy')),
    ...stampingPolicy(namespace),
  ];
  const account = `${namespace}/x0tta`;
  const object = await client.get(pathOf(namespace, 'x0ttadeployments', app));
  const { apiVersion, kind, spec } = object;
  const metadata = { name: stamped, namespace };
  await cluster.apply([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'x0tta', namespace } },
    everyRight(namespace, account),
    { apiVersion, kind, metadata, spec },
    ...routes.map((resource) => ({ ...route(resource), metadata })),
    ...policies,
  ]);
  for (const resource of resources) {
    await waitFor(`the stamps on ${resource}`, async () => {
      const path = `${pathOf(namespace, resource, stamped)}?dryRun=All`;
      const changed = await client.patch(path, { metadata: { annotations: { a: 'b' } } });
      const { labels, annotations } = changed.metadata;
      return labels?.[label] !== undefined && annotations?.[annotation] !== undefined;
    });
  }
  const operator = createClient(cluster.apiUrl, await cluster.tokenFor(account), cluster.ca);
  const policy = `${namespace}-x0tta`;
  await policyInForce(operator, namespace, policy);
  return {
    operator,
    denial: denialOf(policy),
    close: async () => {
      await operator.close();
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: policies });
      await cluster.kubectl(['delete', '-f', '-'], { input });
    },
  };
}

function stampingPolicy(namespace: string): readonly object[] {
  const metadata = { name: `${namespace}-stamping` };
  const expression = `Object{metadata: Object.metadata{
    labels: {'${label}': 'yes'},
    annotations: {'${annotation}': request.userInfo.username}
  }}`;
  return [
    {
      apiVersion: admission,
      kind: 'MutatingAdmissionPolicy',
      metadata,
      spec: {
        reinvocationPolicy: 'Never',
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          resourceRules: [
            {
              apiGroups: ['gateway.networking.k8s.io', 'x0tta.io'],
              apiVersions: ['*'],
              operations: ['UPDATE'],
              resources,
              resourceNames: [stamped],
            },
          ],
        },
        mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
      },
    },
    {
      apiVersion: admission,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: metadata.name },
    },
  ];
}
