// A gateway with a data plane: Traefik as a process of the node's machine, with one Gateway that
// takes routes from all namespaces. It routes nothing by itself.
import { request } from 'undici';
import { createAccount } from './account.ts';
import { binaryPath } from './binaries.ts';
import type { KubernetesObject } from './client.ts';
import type { Cluster } from './cluster.ts';
import type { Parts } from './parts.ts';
import { freePorts } from './ports.ts';
import { waitFor } from './process.ts';

/** The Gateway that an HTTPRoute names as its parent. */
export const gatewayRef = { namespace: 'gateway-system', name: 'public' } as const;

// The port that users write into a Gateway. The sandbox has one node, so it is free.
const listenerPort = 80;
const group = 'gateway.networking.k8s.io';
const gatewayClass = 'traefik';

const read = ['get', 'list', 'watch'];
const rules = [
  {
    apiGroups: [''],
    resources: ['services', 'secrets', 'namespaces', 'nodes', 'configmaps'],
    verbs: read,
  },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
  { apiGroups: [group], resources: ['*'], verbs: read },
  {
    apiGroups: [group],
    resources: [
      'gatewayclasses/status',
      'gateways/status',
      'httproutes/status',
      'grpcroutes/status',
    ],
    verbs: ['update', 'patch'],
  },
];

/**
 * Starts the gateway, waits until it is programmed and answers, and returns the URL at which it
 * takes traffic.
 */
export async function startGateway(parts: Parts, cluster: Cluster): Promise<string> {
  parts.log('starting the gateway');
  const kubeconfig = await createAccount(cluster, gatewayRef.namespace, 'traefik', rules);
  await cluster.apply(gatewayObjects());
  const [ownPort = 0] = await freePorts(1);
  parts.start({
    name: 'traefik',
    command: binaryPath('traefik'),
    env: { KUBECONFIG: kubeconfig },
    args: [
      '--providers.kubernetesgateway=true',
      '--providers.kubernetesgateway.statusaddress.ip=127.0.0.1',
      '--providers.providersthrottleduration=100ms',
      `--entrypoints.web.address=127.0.0.1:${listenerPort}`,
      // Without an entry point of this name Traefik takes 8080 for its own pages.
      `--entrypoints.traefik.address=127.0.0.1:${ownPort}`,
      '--global.checknewversion=false',
      '--global.sendanonymoususage=false',
      '--log.level=INFO',
    ],
  });
  const url = `http://127.0.0.1:${listenerPort}`;
  const { namespace, name } = gatewayRef;
  const path = `/apis/${group}/v1/namespaces/${namespace}/gateways/${name}`;
  await waitFor('the gateway to be programmed', async () =>
    isProgrammed(await cluster.client.get(path)),
  );
  await waitFor('the gateway to answer', async () => {
    const answer = await request(url);
    await answer.body.dump();
    return true;
  });
  parts.log('the gateway is ready');
  return url;
}

function gatewayObjects(): readonly object[] {
  return [
    {
      apiVersion: `${group}/v1`,
      kind: 'GatewayClass',
      metadata: { name: gatewayClass },
      spec: { controllerName: 'traefik.io/gateway-controller' },
    },
    {
      apiVersion: `${group}/v1`,
      kind: 'Gateway',
      metadata: gatewayRef,
      spec: {
        gatewayClassName: gatewayClass,
        listeners: [
          {
            name: 'http',
            protocol: 'HTTP',
            port: listenerPort,
            allowedRoutes: { namespaces: { from: 'All' } },
          },
        ],
      },
    },
  ];
}

function isProgrammed(gateway: KubernetesObject): boolean {
  const status = gateway.status as
    | { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
    | undefined;
  return (status?.conditions ?? []).some(
    ({ type, status }) => type === 'Programmed' && status === 'True',
  );
}
