// Tells people and counters what a pass changed: one log line a decision that changed something, an
// Event for what a person should know, and the counters. It comes after every write.
import type { Status } from '../api/schema.ts';
import { routeWriteFailure } from '../core/conditions.ts';
import type { Decision } from '../core/decision.ts';
import type { Command, Observation, Outcome } from '../core/model.ts';
import type { EventPort } from '../kube/port.ts';
import type { Log } from '../runtime/log.ts';
import type { ObjectMemory } from './memory.ts';
import type { Written } from './nextLook.ts';

/** The counters that a pass feeds. */
export interface Telling {
  decided(check: string): void;
  incident(alert: string): void;
  /** From the answer that completed a hold to the routes' patch, acknowledged. */
  trafficMoved(seconds: number): void;
  /** A status could not be written; the reason is that of a failed write in kube/port.ts. */
  statusFailed(reason: string): void;
  /** The same of the weights of an object's routes. */
  routeFailed(reason: string): void;
}

export interface Pass {
  readonly obs: Observation;
  /** When the evidence came in that was decided on; null when there was none. */
  readonly arrivedMs: number | null;
  readonly decision: Decision;
  readonly outcomes: readonly Outcome[];
  readonly status: Status;
  readonly written: Written;
  readonly memory: ObjectMemory;
}

interface Ports {
  readonly events: EventPort;
  readonly log: Log;
  readonly telling: Telling;
}

/** What a process may not send any more is no failure. */
const notLeading = 'NotLeading';

export function tellWhatChanged(pass: Pass, ports: Ports): void {
  const { obs, decision, outcomes } = pass;
  ports.telling.decided(decision.check);
  const changes = outcomes.filter((outcome) => outcome.kind === 'done' && outcome.changed);
  const { namespace, name } = obs.object.metadata;
  const where = { namespace, name, revision: obs.desired.revision };
  if (changes.length > 0) {
    ports.log('info', decision.message, {
      ...where,
      check: decision.check,
      phase: pass.status.phase,
      reason: decision.reason,
      commands: changes.map(({ command }) => command.kind).join(', '),
    });
  }
  for (const outcome of outcomes) {
    if (outcome.kind === 'putOff' && pass.memory.handBackFailures === 1) {
      const retried = 'the fields of the routes could not be handed back; it is tried again later';
      ports.log('warn', retried, { ...where, error: outcome.message });
    }
  }
  tellFailures(pass, ports);
  tellMove(pass, ports);
  tellOfStatus(pass, ports);
  tellEvents(pass, ports);
}

/** Each once, until such a command succeeds or another reason stands in its way. */
function tellFailures({ obs, outcomes, memory }: Pass, { events, log, telling }: Ports): void {
  const { namespace, name } = obs.object.metadata;
  const where = { namespace, name, revision: obs.desired.revision };
  const failed = new Set<Command['kind']>();
  for (const outcome of outcomes) {
    if (outcome.kind !== 'failed' && outcome.kind !== 'refused') continue;
    const { kind } = outcome.command;
    failed.add(kind);
    const { reason, message: error } =
      outcome.kind === 'failed'
        ? { reason: outcome.reason, message: outcome.error.message }
        : outcome.problem;
    if (reason === notLeading) continue;
    const route = routeWriteFailure([outcome]);
    if (route !== null) telling.routeFailed(reason);
    const said = memory.failures.get(kind);
    if (said === reason) continue;
    memory.failures.set(kind, reason);
    log('warn', `${kind} did not succeed`, { ...where, reason, error });
    if (route === null || said !== undefined) continue;
    const event = { reason: 'RouteWriteFailed', action: 'Route', note: route } as const;
    events.tell(obs.object, { type: 'Warning', ...event });
  }
  for (const { kind, command } of outcomes) {
    if (kind === 'done' && !failed.has(command.kind)) memory.failures.delete(command.kind);
  }
}

function tellOfStatus({ obs, written, memory }: Pass, { log, telling }: Ports): void {
  if (written.kind !== 'failed' || written.reason === notLeading) return;
  const { reason, message: error } = written;
  telling.statusFailed(reason);
  if (memory.statusFailure === reason) return;
  memory.statusFailure = reason;
  const { namespace, name } = obs.object.metadata;
  log('warn', 'the status of an object could not be written', { namespace, name, reason, error });
}

function tellMove({ arrivedMs, decision, outcomes }: Pass, { telling }: Ports): void {
  if (decision.check !== 'rollbackLimitHeld') return;
  for (const outcome of outcomes) {
    const isMove = outcome.command.kind === 'setWeights' && outcome.kind === 'done';
    if (isMove && arrivedMs !== null) telling.trafficMoved((outcome.atMs - arrivedMs) / 1000);
  }
}

/** What a status said that could not be written is not told again. */
function tellEvents(pass: Pass, { events, telling }: Ports): void {
  const { obs, decision, status, memory } = pass;
  const { object } = obs;
  const before = memory.unwritten ?? object.status;
  const known = new Set(before?.incidents?.map(({ id }) => id));
  for (const fresh of status.incidents?.filter(({ id }) => !known.has(id)) ?? []) {
    telling.incident(fresh.alert);
    events.tell(object, {
      type: 'Warning',
      reason: fresh.id === decision.incident?.id ? 'RollbackDecided' : 'IncidentRecorded',
      action: 'Judge',
      note: `${fresh.alert}: ${fresh.summary}`,
    });
  }
  if (status.phase !== before?.phase && status.phase === 'RolledBack') {
    const note = `Every route was read back with revision ${status.canary?.revision ?? ''} at 0.`;
    events.tell(object, { type: 'Normal', reason: 'RolledBack', action: 'Rollback', note });
  }
  const stable = status.stable?.revision;
  if (before?.stable !== undefined && stable !== undefined && stable !== before.stable.revision) {
    const note = `Revision ${stable} passed every step and is stable now.`;
    events.tell(object, { type: 'Normal', reason: 'Promoted', action: 'Promote', note });
  }
  if (status.step !== undefined && status.step.current !== before?.step?.current) {
    const note = `Canary ${status.canary?.revision ?? ''}: step ${status.step.label}.`;
    events.tell(object, { type: 'Normal', reason: 'StepStarted', action: 'Advance', note });
  }
  const isStalled = (of: Status | undefined): boolean =>
    of?.conditions?.some(({ type, reason }) => type === 'Stalled' && reason === decision.reason) ??
    false;
  if (decision.stalled === true && status.phase !== 'RolledBack' && !isStalled(before)) {
    const { reason, message: note } = decision;
    events.tell(object, { type: 'Warning', reason, action: 'Reconcile', note });
  }
  tellOfAction(pass, before, events);
}

function tellOfAction(
  { obs, decision, status, memory }: Pass,
  before: Status | undefined,
  events: EventPort,
): void {
  const { answered } = decision;
  if (answered !== undefined) {
    const resultIn = (actions: Status['lastActions']): string | undefined =>
      actions?.find(({ id }) => id === answered.id)?.result;
    const result = resultIn(status.lastActions);
    // An answer whose writes failed is not given yet.
    if (result !== answered.result || result === resultIn(before?.lastActions)) return;
    const refused = answered.result === 'Refused';
    events.tell(obs.object, {
      type: refused ? 'Warning' : 'Normal',
      reason: refused ? 'ActionRefused' : 'ActionAccepted',
      action: 'Act',
      note: `${answered.action} ${answered.id}: ${answered.message ?? answered.result}`,
    });
    return;
  }
  if (obs.action.kind !== 'malformed' || memory.toldOfAction === obs.action.text) return;
  memory.toldOfAction = obs.action.text;
  events.tell(obs.object, {
    type: 'Warning',
    reason: 'ActionMalformed',
    action: 'Act',
    note:
      `The annotation x0tta.io/action can't be read. ` +
      `It has the form rollback/<id> or retry/<id>, and /<revision> if one is meant.`,
  });
}
