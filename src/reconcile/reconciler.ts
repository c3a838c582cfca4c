// One pass over one object: observe, decide, act, write the status, tell people. The shell around
// core; it decides nothing.
import type { Status, X0ttaDeployment } from '../api/schema.ts';
import { sameStatus } from '../core/conditions.ts';
import { decide } from '../core/decide.ts';
import type { Decision } from '../core/decision.ts';
import type { Observation, Outcome } from '../core/model.ts';
import { foldStatus } from '../core/status.ts';
import type { ClusterWrites, EventPort } from '../kube/port.ts';
import type { Log } from '../runtime/log.ts';
import { act } from './act.ts';
import { ObjectMemory } from './memory.ts';
import { nextLook } from './nextLook.ts';
import type { PassResult, Written } from './nextLook.ts';
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

export interface Reconciler {
  /** One pass. Rejects only on a defect of the operator's own. */
  reconcile(key: string): Promise<PassResult>;
}

/** How long a refusal of the API server stands before the same ReplicaSet is tried again. */
const invalidMs = 3_600_000;
const takenMs = 60_000;

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
  const written = isEarly ? later : await writeStatus(obs, decision, outcomes, status, ports);
  if (!isEarly) {
    tellWhatChanged({ obs, arrivedMs, decision, outcomes, status, written, memory }, ports);
    if (written.kind === 'done' || written.kind === 'same') memory.noteStatus();
    else memory.unwritten = status;
  }
  return nextLook({ obs, decision, outcomes, written, memory });
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

const later: Written = { kind: 'later' };

/** The metric server was not asked yet, and until then the status of before says more. */
function isTooEarly(obs: Observation, { watch, commands, answered }: Decision): boolean {
  // A server that is not there brings none, while all other problems keep no evidence away.
  const isAwaited = obs.policyProblem?.reason !== 'UnknownServer';
  const isUnasked = watch !== null && obs.evidence === null && isAwaited;
  return isUnasked && commands.length === 0 && answered === undefined;
}

async function writeStatus(
  obs: Observation,
  decision: Decision,
  outcomes: readonly Outcome[],
  status: Status,
  { writes }: ReconcilePorts,
): Promise<Written> {
  const removed = outcomes.some(
    ({ kind, command }) => kind === 'done' && command.kind === 'removeFinalizer',
  );
  if (removed || (obs.finalizing && decision.commands.length === 0)) return later;
  if (sameStatus(obs.object.status, status)) return { kind: 'same' };
  const { namespace, name, uid } = obs.object.metadata;
  // The status follows the writes of this pass, of which the finalizer's changed the object.
  const ownWrite = outcomes.some(({ command }) => command.kind === 'addFinalizer');
  if (ownWrite) return later;
  const { resourceVersion } = obs.object.metadata;
  const result = await writes.writeStatus({ namespace, name, uid, resourceVersion }, status);
  switch (result.kind) {
    case 'done':
      return { kind: 'done' };
    case 'conflict':
    case 'missing':
      return { kind: 'conflict' };
    // A status is no create, so no name of its is taken.
    case 'taken':
    case 'refused':
      return { kind: 'failed', reason: 'Invalid', message: result.message };
    case 'failed':
      return { kind: 'failed', reason: result.reason, message: result.error.message };
  }
}
