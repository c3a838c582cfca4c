// Failures that a canary's own pods report through the API: direct evidence that needs no metric.
// It judges only pods of the current attempt and says nothing about stable's.
import type { PodView, RevisionView, TimeMs } from './model.ts';
import { lacksPods } from './situation.ts';

/** Restarts of one pod during an attempt that count as a crash loop (runbook.md). */
const crashLoopRestarts = 3;
/** An image that can't be pulled is a verdict after this long. */
export const imageHoldMs = 30_000;
export interface PodFailure {
  readonly alert: 'MEMORY_EXHAUSTION' | 'SERVICE_DOWN' | 'PROGRESS_DEADLINE';
  /** What the pods reported, for the incident's value. */
  readonly value: string;
  readonly limit: string;
  readonly sinceMs: TimeMs;
}

export type PodVerdict =
  | { readonly state: 'fine' }
  /** Something is wrong; it becomes a verdict at dueAtMs if it stays. */
  | { readonly state: 'due'; readonly dueAtMs: TimeMs; readonly value: string }
  | { readonly state: 'failed'; readonly failure: PodFailure };

const fine: PodVerdict = { state: 'fine' };
/** An attempt begins between two of the whole seconds in which the API tells times. */
const apiSecondMs = 1_000;
/** The API server's clock may be behind ours when it says when a pod was made. */
const clockSkewMs = 30_000;

/**
 * Judges the canary's pods. `needed` is how many the running step's weight needs; the progress
 * deadline counts from when they were asked for until it had all of them, and anew if it lost some.
 */
export function judgePods(
  canary: RevisionView,
  needed: number,
  progressDeadlineSeconds: number,
  nowMs: TimeMs,
): PodVerdict {
  const begunMs = canary.record.attemptBegunMs ?? canary.createdAtMs;
  const pods = canary.pods.filter((pod) => !pod.terminating);
  for (const pod of pods) {
    const failure = outOfMemory(pod, begunMs) ?? crashLoop(pod, begunMs);
    if (failure !== null) return { state: 'failed', failure };
  }
  const slow = [
    imagePull(pods, nowMs),
    progressDeadline(canary, needed, progressDeadlineSeconds, nowMs),
  ];
  const failed = slow.find((verdict) => verdict.state === 'failed');
  if (failed !== undefined) return failed;
  const due = slow.filter((verdict) => verdict.state === 'due');
  return due.sort((a, b) => a.dueAtMs - b.dueAtMs)[0] ?? fine;
}

function outOfMemory(pod: PodView, begunMs: TimeMs): PodFailure | null {
  for (const container of pod.containers) {
    const atMs = container.terminatedAtMs ?? begunMs;
    if (container.terminatedReason === 'OOMKilled' && atMs >= begunMs - apiSecondMs) {
      return {
        alert: 'MEMORY_EXHAUSTION',
        value: `container ${container.name} of pod ${pod.name} was OOMKilled`,
        limit: 'no OOM kill',
        sinceMs: atMs,
      };
    }
  }
  return null;
}

/** Nobody knows how many of its restarts an older pod brought along from the time before. */
function crashLoop(pod: PodView, begunMs: TimeMs): PodFailure | null {
  const isOfAttempt = pod.createdAtMs >= begunMs - clockSkewMs;
  for (const container of pod.containers) {
    const looping = container.waitingReason === 'CrashLoopBackOff';
    if (looping || (isOfAttempt && container.restartCount >= crashLoopRestarts)) {
      return {
        alert: 'SERVICE_DOWN',
        value:
          `container ${container.name} of pod ${pod.name} ` +
          `restarted ${container.restartCount} times` +
          (looping ? ' and is in CrashLoopBackOff' : ''),
        limit: `fewer than ${crashLoopRestarts} restarts and no CrashLoopBackOff`,
        sinceMs: container.terminatedAtMs ?? pod.createdAtMs,
      };
    }
  }
  return null;
}

function imagePull(pods: readonly PodView[], nowMs: TimeMs): PodVerdict {
  for (const pod of pods) {
    if (pod.imageFailingSinceMs === null) continue;
    const waiting = pod.containers.find((container) => container.waitingReason !== null);
    const value =
      `pod ${pod.name}: ${waiting?.waitingReason ?? 'ErrImagePull'}` +
      (waiting?.waitingMessage ? `: ${waiting.waitingMessage}` : '');
    const dueAtMs = pod.imageFailingSinceMs + imageHoldMs;
    if (nowMs < dueAtMs) return { state: 'due', dueAtMs, value };
    return {
      state: 'failed',
      failure: {
        alert: 'SERVICE_DOWN',
        value,
        limit: `an image that can be pulled within ${imageHoldMs / 1000}s`,
        sinceMs: pod.imageFailingSinceMs,
      },
    };
  }
  return fine;
}

function progressDeadline(
  canary: RevisionView,
  needed: number,
  progressDeadlineSeconds: number,
  nowMs: TimeMs,
): PodVerdict {
  const { podsMissingSinceMs, stepStartMs } = canary.record;
  if (podsMissingSinceMs === null || stepStartMs !== null) return fine;
  if (!lacksPods(canary, needed)) return fine;
  const dueAtMs = podsMissingSinceMs + progressDeadlineSeconds * 1000;
  const value = `${canary.available} of ${needed} pods available${whyNot(canary)}`;
  if (nowMs < dueAtMs) return { state: 'due', dueAtMs, value };
  return {
    state: 'failed',
    failure: {
      alert: 'PROGRESS_DEADLINE',
      value,
      limit: `available within ${progressDeadlineSeconds}s`,
      sinceMs: podsMissingSinceMs,
    },
  };
}

/** What keeps the pods from being available, where the API says so. */
export function whyNot(revision: RevisionView): string {
  if (revision.failure !== null) return `: ${revision.failure}`;
  for (const pod of revision.pods) {
    if (pod.unschedulable !== null) return `: pod ${pod.name}: ${pod.unschedulable}`;
    for (const { waitingReason, waitingMessage } of pod.containers) {
      if (waitingReason !== null && waitingReason !== 'ContainerCreating') {
        return `: pod ${pod.name}: ${waitingReason}${waitingMessage ? `: ${waitingMessage}` : ''}`;
      }
    }
  }
  return '';
}
