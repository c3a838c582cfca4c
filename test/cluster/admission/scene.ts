// A namespace with what the admission policy is about: an object and what the operator made for it,
// and beside them what is somebody else's. No operator runs there; its account has every right in
// the namespace, so that nothing but the policy refuses it anything.
import { API_VERSION, KIND } from '../../../src/api/names.ts';
import { createClient } from '../client.ts';
import type { ApiClient, KubernetesObject } from '../client.ts';
import type { Cluster } from '../cluster.ts';
import { installOperator, operatorAccount } from '../operator.ts';
import { app, Stage } from '../scenarios/stage.ts';
import { denialOf, policyInForce } from './inForce.ts';
import { pathOf } from './writes.ts';
import type { NewObject, RouteResource } from './writes.ts';

export interface AdmissionScene {
  readonly namespace: string;
  /** The operator's account. */
  readonly operator: ApiClient;
  close(): Promise<void>;
}

/**
 * Names of ReplicaSets: the operator's, a Deployment's, one of that with the marks of ours, and one
 * that nobody owns; and of a Service of the operator that a person gave a port of the nodes and an
 * external address.
 */
export const names = {
  own: `${app}-0123456789`,
  foreign: 'web-1',
  disguised: `${app}-web`,
  ownerless: 'bare-1',
  opened: 'opened-stable',
};

/** The beginning of each refusal. */
export const denial = denialOf('x0tta');

interface Owner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

const otherUid = '00000000-0000-4000-8000-000000000000';

export function ownerOf(name: string, uid = otherUid): Owner {
  return { apiVersion: API_VERSION, kind: KIND, name, uid, controller: true };
}

export function deploymentOwner(controller: boolean, uid = otherUid): Owner {
  return { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid, controller };
}

export function replicaSet(
  name: string,
  labels: Readonly<Record<string, string>>,
  ownerReferences: readonly Owner[],
): NewObject {
  const selector = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name, labels, ownerReferences },
    spec: {
      replicas: 0,
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: selector },
        spec: { containers: [{ name: 'app', image: 'none' }] },
      },
    },
  };
}

export function service(
  name: string,
  spec: object = {},
  labels: Readonly<Record<string, string>> = { 'app.kubernetes.io/managed-by': 'x0tta' },
  ownerReferences: readonly Owner[] = [ownerOf(app)],
): NewObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels, ownerReferences },
    spec: { selector: { app }, ports: [{ port: 80 }], ...spec },
  };
}

/** Two rules: one with both services of the object and a third, one with the third alone. */
export function route(resource: RouteResource): NewObject {
  const isHttp = resource === 'httproutes';
  const matchOf = (name: string): object =>
    isHttp ? { path: { type: 'PathPrefix', value: `/${name}` } } : { method: { service: name } };
  const set = [{ name: 'a', value: 'b' }];
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: isHttp ? 'HTTPRoute' : 'GRPCRoute',
    metadata: { name: app, labels: { team: 'a' }, annotations: { note: 'a' } },
    spec: {
      parentRefs: [{ name: 'public' }],
      hostnames: ['a.test'],
      rules: [
        {
          matches: [matchOf('a')],
          filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set } }],
          backendRefs: [
            { name: `${app}-stable`, port: 80, weight: 100 },
            { name: `${app}-canary`, port: 80, weight: 0 },
            { name: 'other', port: 80, weight: 7 },
          ],
        },
        { matches: [matchOf('b')], backendRefs: [{ name: 'other', namespace: 'b', port: 80 }] },
      ],
    },
  };
}

export async function openAdmissionScene(cluster: Cluster): Promise<AdmissionScene> {
  await installOperator(cluster);
  const stage = await Stage.open(cluster, 'admission');
  const { namespace } = stage;
  const { client } = cluster;
  const operator = createClient(
    cluster.apiUrl,
    await cluster.tokenFor(operatorAccount),
    cluster.ca,
  );
  await cluster.apply([
    everyRight(namespace, operatorAccount),
    stage.service(),
    stage.object(stage.template('v1')),
  ]);
  const objectPath = pathOf(namespace, 'x0ttadeployments', app);
  const { metadata } = await client.patch(objectPath, {
    metadata: {
      labels: { team: 'a' },
      annotations: { note: 'a' },
      finalizers: ['x0tta.io/traffic', 'test.x0tta.io/keep'],
    },
  });
  const owner = ownerOf(app, metadata.uid);
  const deployment = await client.create(
    `/apis/apps/v1/namespaces/${namespace}/deployments`,
    pausedDeployment(),
  );
  const web = (controller: boolean): Owner => deploymentOwner(controller, deployment.metadata.uid);
  const mark = { 'x0tta.io/object': app };
  // The Deployment lets go of what its selector does not find.
  const found = { app: 'web' };
  for (const each of [
    replicaSet(names.own, mark, [owner, web(false)]),
    replicaSet(names.foreign, found, [web(true)]),
    replicaSet(names.disguised, { ...found, ...mark }, [web(true)]),
    replicaSet(names.ownerless, {}, []),
  ]) {
    await client.create(pathOf(namespace, 'replicasets'), each);
  }
  for (const each of [
    service(`${app}-stable`, {}, undefined, [owner]),
    service(names.opened, { type: 'NodePort', externalIPs: ['192.0.2.1'] }, undefined, [owner]),
    service('user-canary', {}, {}, []),
  ]) {
    await client.create(pathOf(namespace, 'services'), each);
  }
  await policyInForce(operator, namespace, 'x0tta');
  for (const resource of ['httproutes', 'grpcroutes'] as const) {
    await createRoute(client, operator, namespace, resource);
  }
  return {
    namespace,
    operator,
    close: async () => {
      await operator.close();
      await client.patch(objectPath, { metadata: { finalizers: [] } });
      await client.delete(objectPath);
      await client.delete(`/api/v1/namespaces/${namespace}`);
    },
  };
}

/** Every right in the namespace, for an account given as 'namespace/name'. */
export function everyRight(namespace: string, account: string): object {
  const rbac = 'rbac.authorization.k8s.io';
  const [accountNamespace, name] = account.split('/');
  return {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata: { name: `every-right-of-${accountNamespace}`, namespace },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name, namespace: accountNamespace }],
  };
}

/** Its controller leaves the ReplicaSets that name it as their owner as they are. */
function pausedDeployment(): object {
  const selector = { app: 'web' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      replicas: 0,
      paused: true,
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: selector },
        spec: { containers: [{ name: 'app', image: 'none' }] },
      },
    },
  };
}

/** A route with fields of three managers: who made it, somebody, and the operator. */
async function createRoute(
  client: ApiClient,
  operator: ApiClient,
  namespace: string,
  resource: RouteResource,
): Promise<void> {
  const path = pathOf(namespace, resource, app);
  await client.create(`${pathOf(namespace, resource)}?fieldManager=git`, route(resource));
  await client.patch(`${path}?fieldManager=somebody`, { metadata: { annotations: { by: 'me' } } });
  const weights = '/spec/rules/0/backendRefs';
  await operator.patch<KubernetesObject>(`${path}?fieldManager=x0tta`, [
    { op: 'add', path: `${weights}/0/weight`, value: 80 },
    { op: 'add', path: `${weights}/1/weight`, value: 20 },
    { op: 'add', path: '/metadata/annotations/x0tta.io~1verdict', value: 'none' },
  ]);
}
