// Writes that are tried out on an API server, and its word on them. Nothing is stored.
import { ApiError } from '../client.ts';
import type { ApiClient } from '../client.ts';

const paths = {
  replicasets: '/apis/apps/v1',
  services: '/api/v1',
  x0ttadeployments: '/apis/x0tta.io/v1alpha1',
  httproutes: '/apis/gateway.networking.k8s.io/v1',
  grpcroutes: '/apis/gateway.networking.k8s.io/v1',
} as const;
export type Resource = keyof typeof paths;
export type RouteResource = 'httproutes' | 'grpcroutes';

/** An object to make; the namespace is that of the scene. */
export interface NewObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: object;
}

export type Write =
  | { readonly kind: 'create'; readonly resource: Resource; readonly object: NewObject }
  | {
      readonly kind: 'patch';
      readonly resource: Resource;
      /** With a subresource, if any: `shop/status`. */
      readonly name: string;
      /** A list is a JSON patch, an object a merge patch. */
      readonly patch: object;
      /** Field manager; the operator's when left out. */
      readonly manager?: string;
    }
  | { readonly kind: 'delete'; readonly resource: Resource; readonly name: string };

/** What is written, as the end of a test's title. */
export interface Trial {
  readonly what: string;
  readonly write: Write;
}

/** One that is refused, and the end of what the policy says. */
export interface Refusal extends Trial {
  readonly message: string;
}

export function pathOf(namespace: string, resource: Resource, name = ''): string {
  const collection = `${paths[resource]}/namespaces/${namespace}/${resource}`;
  return name === '' ? collection : `${collection}/${name}`;
}

/** Sends the write as a dry run and returns what is refused it with, '' when it passes. */
export async function refusalOf(
  client: ApiClient,
  namespace: string,
  write: Write,
): Promise<string> {
  try {
    await dryRun(client, namespace, write);
    return '';
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

function dryRun(client: ApiClient, namespace: string, write: Write): Promise<unknown> {
  const { resource } = write;
  switch (write.kind) {
    case 'create':
      return client.create(
        `${pathOf(namespace, resource)}?fieldManager=x0tta&dryRun=All`,
        write.object,
      );
    case 'patch': {
      const { name, patch, manager = 'x0tta' } = write;
      const path = pathOf(namespace, resource, name);
      return client.patch(`${path}?fieldManager=${manager}&dryRun=All`, patch);
    }
    case 'delete':
      return client.delete(`${pathOf(namespace, resource, write.name)}?dryRun=All`);
  }
}
