// Stands in for scheduler and kubelet where a cluster has no node: binds each pod to a node object,
// writes its status and removes it once it is deleted. It runs nothing.
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from './client.ts';
import type { ApiClient, KubernetesObject } from './client.ts';
import type { Cluster } from './cluster.ts';
import { nodeName } from './controlPlane.ts';
import { behaviourOf, podStatus } from './podStatus.ts';
import type { PodBehaviour } from './podStatus.ts';

/** A running pod setter. */
export interface PodSetter {
  /** Ends it; pods keep the status they have. */
  stop(): Promise<void>;
}

interface SetPod {
  /** Counts the pods, from 0. */
  readonly number: number;
  /** What its status says already. */
  behaviour: PodBehaviour | undefined;
}

const retryMs = 200;
/** Pods whose requests do not wait for one another, as on as many nodes. */
const lanes = 16;

/**
 * Makes the pods of a cluster without a node ready, each at an address of its own in 198.18.0.0/16,
 * or as their annotation `test.x0tta.io/behaviour` says (`pending`, `image-pull`, `crash-loop`,
 * `oom`); a change of the annotation changes the status.
 */
export async function startPodSetter(cluster: Cluster): Promise<PodSetter> {
  const { client } = cluster;
  await createNode(client);
  const abort = new AbortController();
  const running = followPods(client, abort.signal);
  return {
    stop: async () => {
      abort.abort();
      await running;
    },
  };
}

async function createNode(client: ApiClient): Promise<void> {
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } };
  // Controllers leave out pods of a node that is not there, and remove them later.
  await unless(409, client.create('/api/v1/nodes', node));
}

async function followPods(client: ApiClient, signal: AbortSignal): Promise<void> {
  const known = new Map<string, SetPod>();
  const busy = Array.from({ length: lanes }, () => Promise.resolve());
  let pods = 0;
  while (!signal.aborted) {
    const failed = new AbortController();
    try {
      const ended = AbortSignal.any([signal, failed.signal]);
      // Without a resource version each watch begins with all pods there are.
      for await (const { type, object } of client.watch('/api/v1/pods', ended)) {
        const uid = object.metadata.uid;
        if (uid === undefined) break;
        if (type === 'DELETED') {
          known.delete(uid);
          continue;
        }
        const pod = known.get(uid) ?? { number: pods++, behaviour: undefined };
        known.set(uid, pod);
        const lane = pod.number % lanes;
        busy[lane] = (busy[lane] ?? Promise.resolve())
          .then(() => setPod(client, object, pod))
          .catch((error: unknown) => failed.abort(error));
      }
    } catch (error) {
      failed.abort(error);
    }
    await Promise.all(busy);
    // A test may stop the API server; anything but a lost connection is a mistake of the test or
    // of this file.
    const error: unknown = failed.signal.reason;
    if (error instanceof ApiError && error.status < 500) throw error;
    await delay(retryMs, undefined, { signal }).catch(() => undefined);
  }
}

async function setPod(client: ApiClient, pod: KubernetesObject, known: SetPod): Promise<void> {
  const { namespace = '', name, uid } = pod.metadata;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  if (pod.metadata.deletionTimestamp !== undefined) {
    await unless(404, client.delete(path, { gracePeriodSeconds: 0, preconditions: { uid } }));
    return;
  }
  const behaviour = behaviourOf(pod);
  if (known.behaviour === behaviour) return;
  const bound = (pod.spec as { readonly nodeName?: string }).nodeName !== undefined;
  if (behaviour !== 'pending' && !bound) {
    const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace }, target };
    await unless(404, client.create(`${path}/binding`, binding));
  }
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  await unless(
    404,
    client.patch(`${path}/status`, {
      status: podStatus(pod, behaviour, addressOf(known.number), now),
    }),
  );
  known.behaviour = behaviour;
}

/**
 * Waits for the request; an answer of this status counts as done, as when the pod went away in
 * between.
 */
async function unless(status: number, request: Promise<unknown>): Promise<void> {
  await request.catch((error: unknown) => {
    if (!(error instanceof ApiError && error.status === status)) throw error;
  });
}

function addressOf(n: number): string {
  return `198.18.${Math.floor(n / 250)}.${(n % 250) + 1}`;
}
