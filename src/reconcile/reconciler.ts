// One pass over one object: observe, decide, act, write the status, tell people. The shell around
// core; it decides nothing but when to look again.
import type { Status, X0ttaDeployment } from '../api/schema.ts';
import { sameStatus } from '../core/conditions.ts';
import { decide } from '../core/decide.ts';
import type { Decision } from '../core/decision.ts';
import type { Command, Observation, Outcome } from '../core/model.ts';
import { foldStatus } from '../core/status.ts';
import type { ClusterWrites, EventPort } from '../kube/port.ts';
import type { Log } from '../runtime/log.ts';
import { act } from './act.ts';
import { ObjectMemory } from './memory.ts';
import { observe } from './observe.ts';
import type { ObservePorts } from './observe.ts';
import { tellWhatChanged } from './tell.ts';
import type { Telling } from './tell.ts';

export interface ReconcilePorts extends ObservePorts {
  readonly writes: ClusterWrites;
  readonly events: EventPort;
  readonly log: Log;
  readonly telling: Telling;
}

/** What the queue does next with the key. */
export interface PassResult {
  readonly result: 'done' | 'conflict' | 'failed';
  /** Look again after so many ms; null: when something happens. 0 means at once. */
  readonly lookAgainMs: number | null;
  /** Traffic is being taken away: the next look goes ahead of everything. */
  readonly urgent: boolean;
}

export interface Reconciler {
  /** One pass. Rejects only on a defect of the operator's own. */
  reconcile(key: string): Promise<PassResult>;
}

/** How long a refusal of the API server stands before the same ReplicaSet is tried again. */
const invalidMs = 3_600_000;
const takenMs = 60_000;
/** The caches need a moment to see who wrote first; twice as long each time that they did not. */
const conflictMs = 50;
const longestConflictMs = 5_000;
const verdictRetryMs = 250;
/** A person's correction outside the watches (a Service made) is seen after this long. */
const stalledLookMs = 30_000;
const missingServiceLookMs = 5_000;

export function createReconciler(ports: ReconcilePorts): Reconciler {
  const memories = new Map<string, ObjectMemory>();
  return {
    reconcile: async (key) => {
      const object = ports.cache.deployment(key);
      if (object === undefined) {
        memories.delete(key);
        ports.evidence.forget(key);
        ports.evidence.release(key);
        return { result: 'done', lookAgainMs: null, urgent: false };
      }
      const { uid } = object.metadata;
      let memory = memories.get(key);
      if (memory?.uid !== uid) {
        memory = new ObjectMemory(uid);
        memories.set(key, memory);
      }
      return pass(key, object, memory, ports);
    },
  };
}

async function pass(
  key: string,
  object: X0ttaDeployment,
  memory: ObjectMemory,
  ports: ReconcilePorts,
): Promise<PassResult> {
  const obs = await observe(object, memory, ports);
  // More may come in before the routes have answered.
  const arrivedMs = ports.evidence.arrivedMs(key);
  const decision = decide(obs);
  const userService = memory.userService === 'missing' ? null : memory.userService;
  const outcomes = await act(decision.commands, obs, userService, ports);
  watchEvidence(key, obs, decision, ports);
  noteRefusals(obs, outcomes, memory);
  const putsBack = decision.commands.some(
    (command) => command.kind === 'setWeights' && command.guard === 'raise',
  );
  if (decision.reason === 'WeightsOverwritten' && putsBack) memory.notePutBack(obs.nowMs);
  const status = foldStatus(decision, outcomes);
  const isEarly = isTooEarly(obs, decision);
  const written = isEarly ? null : await writeStatus(obs, decision, outcomes, status, ports);
  const isLost = written === 'conflict' || written instanceof Error;
  // What is not in the status yet would be told again at every pass until it is.
  if (!isEarly) {
    memory.unwritten = isLost ? (status.incidents ?? []) : [];
    tellWhatChanged({ obs, arrivedMs, decision, outcomes, status, memory }, ports);
  }
  return resultOf(obs, decision, outcomes, written, memory);
}

function watchEvidence(
  key: string,
  obs: Observation,
  { watch }: Decision,
  { evidence }: ReconcilePorts,
): void {
  if (watch === null) evidence.forget(key);
  else evidence.watch(watch, obs.standing.signals);
}

function noteRefusals(obs: Observation, outcomes: readonly Outcome[], memory: ObjectMemory): void {
  for (const outcome of outcomes) {
    if (outcome.kind === 'putOff') memory.putOffHandBack(obs.nowMs);
    if (outcome.kind === 'done' && outcome.command.kind === 'handBackRoutes') {
      memory.noteHandBack();
    }
    if (outcome.kind !== 'refused') continue;
    const { problem } = outcome;
    const standsMs = problem.reason === 'InvalidTemplate' ? invalidMs : takenMs;
    memory.refuse(obs.desired.revision, problem, obs.nowMs + standsMs);
  }
}

/** The metric server was not asked yet, and until then the status of before says more. */
function isTooEarly(obs: Observation, { watch, commands, answered }: Decision): boolean {
  // A server that is not there brings none, while all other problems keep no evidence away.
  const isAwaited = obs.policyProblem?.reason !== 'UnknownServer';
  const isUnasked = watch !== null && obs.evidence === null && isAwaited;
  return isUnasked && commands.length === 0 && answered === undefined;
}

/** Null: there was nothing to write. */
async function writeStatus(
  obs: Observation,
  decision: Decision,
  outcomes: readonly Outcome[],
  status: Status,
  { writes }: ReconcilePorts,
): Promise<'done' | 'conflict' | Error | null> {
  const removed = outcomes.some(
    ({ kind, command }) => kind === 'done' && command.kind === 'removeFinalizer',
  );
  if (removed || (obs.finalizing && decision.commands.length === 0)) return null;
  if (sameStatus(obs.object.status, status)) return null;
  const { namespace, name, uid } = obs.object.metadata;
  // The status follows the writes of this pass, of which the finalizer's changed the object.
  const ownWrite = outcomes.some(({ command }) => command.kind === 'addFinalizer');
  if (ownWrite) return null;
  const { resourceVersion } = obs.object.metadata;
  const result = await writes.writeStatus({ namespace, name, uid, resourceVersion }, status);
  if (result.kind === 'done') return 'done';
  if (result.kind === 'conflict' || result.kind === 'missing') return 'conflict';
  return result.kind === 'failed' ? result.error : new Error(result.message);
}

function takesTrafficAway(command: Command): boolean {
  const { kind } = command;
  return kind === 'releaseRoutes' || (kind === 'setWeights' && command.guard === 'lower');
}

function resultOf(
  obs: Observation,
  decision: Decision,
  outcomes: readonly Outcome[],
  written: Awaited<ReturnType<typeof writeStatus>>,
  memory: ObjectMemory,
): PassResult {
  const { carried } = decision.situation;
  const takesAway = carried > 0 && decision.commands.some(takesTrafficAway);
  const urgent = decision.phase === 'RollingBack' || takesAway;
  const failed = outcomes.some(({ kind }) => kind === 'failed') || written instanceof Error;
  // No back-off stands between the decision to take traffic away and the routes (I4).
  if (failed) return { result: 'failed', lookAgainMs: urgent ? verdictRetryMs : null, urgent };
  const conflict = outcomes.some(({ kind }) => kind === 'conflict');
  // Somebody who writes the status all the time is answered more and more slowly, save in the
  // middle of a rollback (I4).
  if (written === 'conflict' && !conflict && !urgent) {
    return { result: 'failed', lookAgainMs: null, urgent };
  }
  if (conflict || written === 'conflict') {
    const isAtOnce = urgent && (conflict || carried > 0);
    const lookAgainMs = isAtOnce ? conflictMs : conflictMs * 2 ** memory.conflicts++;
    return { result: 'conflict', lookAgainMs: Math.min(lookAgainMs, longestConflictMs), urgent };
  }
  memory.conflicts = 0;
  const changed = outcomes.some((outcome) => outcome.kind === 'done' && outcome.changed);
  if (changed || outcomes.some(({ kind }) => kind === 'refused')) {
    return { result: 'done', lookAgainMs: 0, urgent };
  }
  const due = decision.lookAgainAtMs;
  const waits = due === undefined ? [] : [Math.max(0, due - obs.nowMs)];
  if (decision.stalled === true && decision.phase !== 'RolledBack') {
    waits.push(decision.reason === 'ServiceMissing' ? missingServiceLookMs : stalledLookMs);
  }
  if (outcomes.some(({ kind }) => kind === 'putOff')) {
    waits.push(memory.handBackNotBeforeMs - obs.nowMs);
  }
  // What a readBack did not show yet needs a moment, not an event.
  if (outcomes.some(({ kind }) => kind === 'notYet')) waits.push(1_000);
  // An action that was answered is carried out in the next pass.
  if (written === 'done' && decision.answered?.result === 'Accepted') waits.push(0);
  return { result: 'done', lookAgainMs: waits.length === 0 ? null : Math.min(...waits), urgent };
}
