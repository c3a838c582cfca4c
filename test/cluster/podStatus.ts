// The status that a kubelet would write for a pod in one of a few states. It speaks to no server.
import type { KubernetesObject } from './client.ts';

/** What a pod does: `ready` unless its annotation `test.x0tta.io/behaviour` says otherwise. */
export type PodBehaviour = 'ready' | 'pending' | 'image-pull' | 'crash-loop' | 'oom';

/** Annotation of a pod that holds its behaviour. */
export const behaviourAnnotation = 'test.x0tta.io/behaviour';

const behaviours: readonly PodBehaviour[] = ['ready', 'pending', 'image-pull', 'crash-loop', 'oom'];

interface PodSpec {
  readonly containers: readonly { readonly name: string; readonly image: string }[];
}

/** How one container of the pod is doing. */
interface ContainerState {
  readonly phase: 'Pending' | 'Running';
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state: object;
  readonly lastState: object;
}

/**
 * The behaviour that a pod's annotation asks for. @throws Error when there is no such behaviour.
 */
export function behaviourOf(pod: KubernetesObject): PodBehaviour {
  const asked = pod.metadata.annotations?.[behaviourAnnotation] ?? 'ready';
  const behaviour = behaviours.find((name) => name === asked);
  if (behaviour === undefined) throw new Error(`${behaviourAnnotation}: no behaviour ${asked}`);
  return behaviour;
}

/**
 * The status of a pod.
 * @param podIP address of the pod, inside 198.18.0.0/16.
 * @param now RFC 3339 in whole seconds, as the API has it.
 */
export function podStatus(
  pod: KubernetesObject,
  behaviour: PodBehaviour,
  podIP: string,
  now: string,
): object {
  if (behaviour === 'pending') return unschedulable(now);
  const { containers } = pod.spec as PodSpec;
  const { phase, ...container } = containerState(behaviour, now);
  const { ready } = container;
  const unready = ready
    ? {}
    : {
        reason: 'ContainersNotReady',
        message: `unready containers: [${containers.map(({ name }) => name).join(' ')}]`,
      };
  return {
    phase,
    hostIP: '198.18.255.1',
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: now,
    conditions: [
      condition('PodScheduled', true, now),
      condition('Initialized', true, now),
      { ...condition('ContainersReady', ready, now), ...unready },
      { ...condition('Ready', ready, now), ...unready },
    ],
    containerStatuses: containers.map(({ name, image }) => ({
      ...container,
      name,
      image,
      imageID: phase === 'Pending' ? '' : image,
      started: 'running' in container.state,
    })),
  };
}

function unschedulable(now: string): object {
  const reason = {
    reason: 'Unschedulable',
    message: '0/1 nodes are available: 1 Insufficient cpu.',
  };
  return {
    phase: 'Pending',
    conditions: [{ ...condition('PodScheduled', false, now), ...reason }],
  };
}

function containerState(behaviour: Exclude<PodBehaviour, 'pending'>, now: string): ContainerState {
  const running = { running: { startedAt: now } };
  const ended = (reason: string, exitCode: number): object => ({
    terminated: { reason, exitCode, startedAt: now, finishedAt: now },
  });
  switch (behaviour) {
    case 'ready':
      return { phase: 'Running', ready: true, restartCount: 0, state: running, lastState: {} };
    case 'image-pull': {
      const message = 'Back-off pulling image';
      const state = { waiting: { reason: 'ImagePullBackOff', message } };
      return { phase: 'Pending', ready: false, restartCount: 0, state, lastState: {} };
    }
    case 'crash-loop': {
      const message = 'back-off 40s restarting failed container';
      const state = { waiting: { reason: 'CrashLoopBackOff', message } };
      return {
        phase: 'Running',
        ready: false,
        restartCount: 3,
        state,
        lastState: ended('Error', 1),
      };
    }
    case 'oom':
      // After its first kill a container runs again at once and gets ready.
      return {
        phase: 'Running',
        ready: true,
        restartCount: 1,
        state: running,
        lastState: ended('OOMKilled', 137),
      };
  }
}

function condition(type: string, holds: boolean, lastTransitionTime: string): object {
  return { type, status: holds ? 'True' : 'False', lastProbeTime: null, lastTransitionTime };
}
