// What the operator remembers of an object between passes and may forget at any time: everything
// that must survive the process stands in the cluster.
import { createHash } from 'node:crypto';
import { canonicalTemplate, revisionName } from '../api/revision.ts';
import type { Status, X0ttaDeployment } from '../api/schema.ts';
import type { Command, Problem, TimeMs } from '../core/model.ts';
import type { Pod, Service } from '../kube/port.ts';
import { failsToPull } from './views.ts';

export interface Desired {
  readonly revision: string;
  readonly hash: string;
}

/** Between two times that weights are put back, at most. */
const longestPutBackMs = 300_000;
/** A writer that left the weights alone for so long begins anew. */
const putBackForgottenMs = 600_000;
/** Between two hand-backs of the routes' fields that fail: from a minute to an hour. */
const firstPutOffMs = 60_000;
const longestPutOffMs = 3_600_000;

/** Between two tries to write a status that fails, while no traffic is to be taken away. */
const firstStatusRetryMs = 1_000;
const longestStatusRetryMs = 60_000;

/** Between two tries to take traffic away; the second one waits for nothing. */
const firstVerdictRetryMs = 250;
const longestVerdictRetryMs = 5_000;

export class ObjectMemory {
  readonly uid: string;
  /** The last spec that was valid: the cache's own, of which the policy is made when needed. */
  lastSpec: X0ttaDeployment['spec'] | null = null;
  /** The user's Service as last read; it gives the ports of ours. */
  userService: Service | 'missing' | null = null;
  /** The status of the last pass while the object does not have it: what it says was told of. */
  unwritten: Status | null = null;
  /** Why that could not be written, as last said; '' where it could, or nothing failed. */
  statusFailure = '';
  /** Why commands of a kind did not succeed, as last said, until they do. */
  readonly failures = new Map<Command['kind'], string>();
  /** Passes in a row whose writes met somebody else's. */
  conflicts = 0;
  /** Hand-backs of the routes' fields that failed in a row. */
  handBackFailures = 0;
  /** The action text that an Event was already written about. */
  toldOfAction = '';
  #desired: (Desired & { readonly generation: number }) | null = null;
  #problem: {
    readonly revision: string;
    readonly untilMs: TimeMs;
    readonly problem: Problem;
  } | null = null;
  #putBacks = 0;
  #statusFailures = 0;
  #verdictFailures = 0;
  #raiseNotBeforeMs = 0;
  #handBackNotBeforeMs = 0;
  readonly #imageFailing = new Map<string, TimeMs>();

  constructor(uid: string) {
    this.uid = uid;
  }

  /** The revision of the object's template; hashed once a generation. */
  desiredOf(object: X0ttaDeployment): Desired {
    const { generation } = object.metadata;
    if (this.#desired?.generation !== generation) {
      const text = canonicalTemplate(object.spec.template);
      const hash = createHash('sha256').update(text).digest('hex');
      this.#desired = { revision: revisionName(hash), hash, generation };
    }
    return this.#desired;
  }

  /** Weights were put back after another writer lowered them; the next time waits longer. */
  notePutBack(nowMs: TimeMs): void {
    const isNew = nowMs > this.#raiseNotBeforeMs + putBackForgottenMs;
    this.#putBacks = isNew ? 1 : this.#putBacks + 1;
    this.#raiseNotBeforeMs = nowMs + Math.min(longestPutBackMs, 1000 * 2 ** this.#putBacks);
  }

  get raiseNotBeforeMs(): TimeMs {
    return this.#raiseNotBeforeMs;
  }

  /** Traffic could not be taken away; returns after how many ms that is tried again. */
  noteVerdictFailure(): number {
    const failures = this.#verdictFailures++;
    if (failures === 0) return 0;
    return Math.min(longestVerdictRetryMs, firstVerdictRetryMs * 2 ** (failures - 1));
  }

  noteVerdict(): void {
    this.#verdictFailures = 0;
  }

  /**
   * The status could not be written; returns after how many ms it is tried again: after ever more,
   * but not while the passes get on, as `anew` says.
   */
  noteStatusFailure(anew: boolean): number {
    if (anew) this.#statusFailures = 0;
    return Math.min(longestStatusRetryMs, firstStatusRetryMs * 2 ** this.#statusFailures++);
  }

  noteStatus(): void {
    this.unwritten = null;
    this.statusFailure = '';
    this.#statusFailures = 0;
  }

  /** A hand-back failed; the next one waits, and longer each time. */
  putOffHandBack(nowMs: TimeMs): void {
    this.#handBackNotBeforeMs =
      nowMs + Math.min(longestPutOffMs, firstPutOffMs * 2 ** this.handBackFailures);
    this.handBackFailures++;
  }

  noteHandBack(): void {
    this.#handBackNotBeforeMs = 0;
    this.handBackFailures = 0;
  }

  get handBackNotBeforeMs(): TimeMs {
    return this.#handBackNotBeforeMs;
  }

  /** A refusal stands until its time is over or the template changes. */
  refuse(revision: string, problem: Problem, untilMs: TimeMs): void {
    this.#problem = { revision, problem, untilMs };
  }

  problemOf(revision: string, nowMs: TimeMs): Problem | null {
    const known = this.#problem;
    return known?.revision === revision && nowMs < known.untilMs ? known.problem : null;
  }

  /** Notes which pods' images can't be pulled, and since when; forgets pods that are gone. */
  notePods(pods: readonly Pod[], nowMs: TimeMs): void {
    const failing = new Set(pods.filter(failsToPull).map(({ metadata }) => metadata.uid));
    for (const uid of this.#imageFailing.keys()) {
      if (!failing.has(uid)) this.#imageFailing.delete(uid);
    }
    for (const uid of failing) {
      if (!this.#imageFailing.has(uid)) this.#imageFailing.set(uid, nowMs);
    }
  }

  imageFailingSince(podUid: string): TimeMs | null {
    return this.#imageFailing.get(podUid) ?? null;
  }
}
