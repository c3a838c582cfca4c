// Objects for a bench: made by the hundred, brought to a canary in traffic, their pods exported.
// Each has its Service, its route and one pod a revision; it measures nothing.
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../src/api/schema.ts';
import type { ApiClient } from '../test/cluster/client.ts';
import { gatewayRef } from '../test/cluster/gateway.ts';
import { waitFor } from '../test/cluster/process.ts';
import { nodeName } from '../test/cluster/controlPlane.ts';
import { sampleHttpRoute, sampleService } from '../test/cluster/workload/manifests.ts';
import type { Bench } from './bench.ts';
import { say } from './bench.ts';

/** One object by its names. */
export interface Member {
  readonly namespace: string;
  readonly name: string;
}

export interface FleetOptions {
  /** Namespaces are named so, with a number. */
  readonly prefix: string;
  readonly count: number;
  readonly replicas: number;
  /** Fields of the spec besides replicas, selector, template and traffic. */
  readonly spec: Readonly<Record<string, unknown>>;
}

const perNamespace = 50;
/** Requests under way at a time. */
const concurrency = 16;
const patientMs = 900_000;

export function pathOf({ namespace, name }: Member): string {
  return `/apis/x0tta.io/v1alpha1/namespaces/${namespace}/x0ttadeployments/${name}`;
}

export function routePathOf({ namespace, name }: Member): string {
  return `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes/${name}`;
}

/** The same template for every object, but for its name; the version makes the revision. */
export function templateOf(name: string, version: string): object {
  const env = [{ name: 'VERSION', value: version }];
  return {
    metadata: { labels: { app: name } },
    spec: { nodeName, containers: [{ name: 'main', image: 'bench:1', env }] },
  };
}

/** Does some work for each, so many at a time. */
export async function forEach<T>(
  list: readonly T[],
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  const waiting = list.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) await work(item, index);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

export async function statusOf(client: ApiClient, member: Member): Promise<Status | undefined> {
  return (await client.get<{ status?: Status }>(pathOf(member))).status;
}

/** Makes the objects and waits until each is Stable. */
export async function createFleet(
  { cluster: { client } }: Bench,
  { prefix, count, replicas, spec }: FleetOptions,
): Promise<readonly Member[]> {
  const members = Array.from({ length: count }, (_, i) => ({
    namespace: `${prefix}-${Math.floor(i / perNamespace)}`,
    name: `object-${i}`,
  }));
  for (const namespace of new Set(members.map((member) => member.namespace))) {
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } };
    await client.create('/api/v1/namespaces', object);
  }
  say(`making ${count} objects`);
  await forEach(members, async ({ namespace, name }) => {
    const route = sampleHttpRoute(namespace, name, { gateway: gatewayRef, hostname: 'a.test' });
    await client.create(`/api/v1/namespaces/${namespace}/services`, sampleService(namespace, name));
    await client.create(
      `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes`,
      route,
    );
    await client.create(`/apis/x0tta.io/v1alpha1/namespaces/${namespace}/x0ttadeployments`, {
      apiVersion: 'x0tta.io/v1alpha1',
      kind: 'X0ttaDeployment',
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: templateOf(name, 'v1'),
        traffic: { service: name, gatewayAPI: { routes: [{ kind: 'HTTPRoute', name }] } },
        ...spec,
      },
    });
  });
  await whenAll(client, members, 'Stable', ({ phase }) => phase === 'Stable');
  return members;
}

/** Gives every object a new template and waits until its canary has weight; it is exported then. */
export async function rollOut(
  bench: Bench,
  members: readonly Member[],
  version: string,
): Promise<void> {
  const { client } = bench.cluster;
  await forEach(members, (member) =>
    client.patch(pathOf(member), { spec: { template: templateOf(member.name, version) } }),
  );
  await whenAll(client, members, `in traffic with ${version}`, ({ canary, step, phase }) => {
    return (canary?.weight ?? 0) > 0 && step?.startedAt !== undefined && phase === 'Progressing';
  });
  await exportPods(bench, new Set(members.map(({ namespace }) => namespace)));
}

/** Tells the exporter of every pod that is there. */
export async function exportPods(
  { cluster: { client }, exporter }: Pick<Bench, 'cluster' | 'exporter'>,
  namespaces: ReadonlySet<string>,
): Promise<void> {
  interface Pod {
    readonly metadata: { readonly name: string; readonly namespace?: string };
  }
  for (const namespace of namespaces) {
    const pods = await client.list<Pod>(`/api/v1/namespaces/${namespace}/pods`);
    for (const { metadata } of pods) {
      const key = `${namespace}/${metadata.name.replace(/-[^-]{5}$/, '')}`;
      if (exporter.revisions.has(key)) continue;
      exporter.revisions.set(key, { namespace, pod: metadata.name, failingSinceMs: null });
    }
  }
}

export async function whenAll(
  client: ApiClient,
  members: readonly Member[],
  what: string,
  holds: (status: Status) => boolean,
): Promise<void> {
  const left = new Map(members.map((member) => [`${member.namespace}/${member.name}`, member]));
  const namespaces = new Set(members.map(({ namespace }) => namespace));
  interface Listed {
    readonly metadata: { readonly name: string; readonly generation?: number };
    readonly status?: Status;
  }
  await waitFor(
    `${members.length} objects ${what}`,
    async () => {
      for (const namespace of namespaces) {
        if (![...left.values()].some((member) => member.namespace === namespace)) continue;
        const path = `/apis/x0tta.io/v1alpha1/namespaces/${namespace}/x0ttadeployments`;
        for (const { metadata, status } of await client.list<Listed>(path)) {
          const isCurrent = status?.observedGeneration === metadata.generation;
          if (isCurrent && status !== undefined && holds(status)) {
            left.delete(`${namespace}/${metadata.name}`);
          }
        }
      }
      if (left.size === 0) return true;
      // The lists are work for the machine that is measured: a millisecond of rest for each object
      // in them.
      await delay(namespaces.size * perNamespace);
      return false;
    },
    patientMs,
  );
  say(`${members.length} objects are ${what}`);
}
