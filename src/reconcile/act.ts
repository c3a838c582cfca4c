// Carries commands out, in their order. The first that does not succeed ends the pass, save that a
// verdict is still written down when the traffic could not be moved, and that nothing depends on a
// hand-back.
import type { X0ttaDeployment } from '../api/schema.ts';
import type { Command, Observation, Outcome, RevisionRecord } from '../core/model.ts';
import type { ClusterWrites, Service, WriteResult } from '../kube/port.ts';
import type { Clock } from '../runtime/clock.ts';
import type { RouteOutcome, TrafficProvider } from '../traffic/port.ts';
import { FINALIZER } from '../api/names.ts';
import { replicaSetBody, selectorOf, serviceBody, serviceName } from './manifests.ts';
import { trafficTarget } from './observe.ts';
import { writeRecord } from './record.ts';

export interface ActPorts {
  readonly writes: ClusterWrites;
  readonly traffic: TrafficProvider;
  readonly clock: Clock;
}

interface Scene {
  readonly obs: Observation;
  readonly object: X0ttaDeployment;
  /** Gives the ports of ours; null when it could not be read. */
  readonly userService: Service | null;
  readonly ports: ActPorts;
}

/** One outcome for each command that was tried. */
export async function act(
  commands: readonly Command[],
  obs: Observation,
  userService: Service | null,
  ports: ActPorts,
): Promise<readonly Outcome[]> {
  const scene: Scene = { obs, object: obs.object, userService, ports };
  const outcomes: Outcome[] = [];
  let failed = false;
  for (const command of commands) {
    if (failed && !isVerdict(command)) continue;
    const outcome = await carryOut(command, scene);
    outcomes.push(outcome);
    failed ||= outcome.kind !== 'done' && command.kind !== 'handBackRoutes';
  }
  return outcomes;
}

/** A verdict on the ReplicaSet holds whatever became of the routes. */
function isVerdict(command: Command): boolean {
  return command.kind === 'writeRevision' && command.record.rejected === true;
}

function carryOut(command: Command, scene: Scene): Promise<Outcome> {
  switch (command.kind) {
    case 'setWeights':
      return setWeights(command, scene);
    case 'releaseRoutes':
      return releaseRoutes(command, scene);
    case 'handBackRoutes':
      return handBackRoutes(command, scene);
    case 'readBack':
      return readBack(command, scene);
    case 'createReplicaSet':
      return createReplicaSet(command, scene);
    case 'writeRevision':
      return writeRevision(command, scene);
    case 'deleteReplicaSet':
      return settle(command, scene, scene.ports.writes.deleteReplicaSet(which(command, scene)));
    case 'applyService':
      return applyService(command, scene);
    case 'orphan':
      return orphan(command, scene);
    case 'addFinalizer':
    case 'removeFinalizer':
      return writeFinalizer(command, scene);
  }
}

function which(
  { name, uid, resourceVersion }: { name: string; uid: string; resourceVersion: string | null },
  { object }: Scene,
) {
  return { namespace: object.metadata.namespace, name, uid, resourceVersion };
}

/** The outcome of a write; the object being gone is a state to look at again. */
async function settle(
  command: Command,
  { ports }: Scene,
  write: Promise<WriteResult<unknown>>,
): Promise<Outcome> {
  const result = await write;
  switch (result.kind) {
    case 'done':
      return { kind: 'done', command, changed: true, atMs: ports.clock.nowMs() };
    case 'conflict':
    case 'missing':
    case 'taken':
      return { kind: 'conflict', command, message: result.message };
    case 'refused':
      return { kind: 'failed', command, reason: 'Invalid', error: new Error(result.message) };
    case 'failed':
      return { kind: 'failed', command, reason: result.reason, error: result.error };
  }
}

async function setWeights(
  command: Extract<Command, { kind: 'setWeights' }>,
  { obs, object, ports }: Scene,
): Promise<Outcome> {
  const outcomes = await ports.traffic.carryOut(trafficTarget(object), obs.routes, command);
  return routesOutcome(command, outcomes, ports);
}

async function releaseRoutes(command: Command, { object, ports }: Scene): Promise<Outcome> {
  return routesOutcome(command, await ports.traffic.release(trafficTarget(object)), ports);
}

/** A route that carries another object's rollout is none of ours. */
async function handBackRoutes(command: Command, { obs, object, ports }: Scene): Promise<Outcome> {
  const views = obs.routes.map((view, i) => (obs.routeOwners[i] === null ? view : null));
  const routes = await ports.traffic.handBack(trafficTarget(object), views);
  const outcome = routesOutcome(command, routes, ports);
  if (outcome.kind !== 'failed') return outcome;
  return { kind: 'putOff', command, message: outcome.error.message };
}

/** Done when every route is; a route that is gone carries nothing. */
function routesOutcome(
  command: Command,
  outcomes: readonly RouteOutcome[],
  { clock }: ActPorts,
): Outcome {
  const failed = outcomes.find((outcome) => outcome.kind === 'failed');
  if (failed !== undefined) {
    return { kind: 'failed', command, reason: failed.reason, error: failed.error };
  }
  const conflict = outcomes.find((outcome) => outcome.kind === 'conflict');
  if (conflict !== undefined) return { kind: 'conflict', command, message: conflict.message };
  const done = outcomes.filter((outcome) => outcome.kind === 'done');
  const changed = done.some((outcome) => outcome.changed);
  const atMs = Math.max(...done.map((outcome) => outcome.atMs), 0);
  return { kind: 'done', command, changed, atMs: atMs === 0 ? clock.nowMs() : atMs };
}

async function readBack(command: Command, { object, ports }: Scene): Promise<Outcome> {
  try {
    const { atZero, message } = await ports.traffic.readBack(trafficTarget(object));
    if (!atZero) return { kind: 'notYet', command, message };
    return { kind: 'done', command, changed: false, atMs: ports.clock.nowMs() };
  } catch (error) {
    const cause = error instanceof Error ? error : new Error(String(error));
    return { kind: 'failed', command, reason: 'Other', error: cause };
  }
}

async function createReplicaSet(
  command: Extract<Command, { kind: 'createReplicaSet' }>,
  scene: Scene,
): Promise<Outcome> {
  const body = replicaSetBody(scene.object, command);
  const result = await scene.ports.writes.createReplicaSet(body);
  if (result.kind === 'refused') {
    const problem = { reason: 'InvalidTemplate', message: result.message } as const;
    return { kind: 'refused', command, problem };
  }
  if (result.kind === 'taken') {
    const problem = { reason: 'ReplicaSetConflict', message: result.message } as const;
    return { kind: 'refused', command, problem };
  }
  return settle(command, scene, Promise.resolve(result));
}

function writeRevision(
  command: Extract<Command, { kind: 'writeRevision' }>,
  scene: Scene,
): Promise<Outcome> {
  const record: Partial<RevisionRecord> = command.record;
  const { writes } = scene.ports;
  return settle(
    command,
    scene,
    writes.patchReplicaSet(which(command, scene), writeRecord(record), command.replicas),
  );
}

async function applyService(
  command: Extract<Command, { kind: 'applyService' }>,
  scene: Scene,
): Promise<Outcome> {
  const { obs, object, userService, ports } = scene;
  const { role, revision, resourceVersion } = command;
  const known = role === 'stable' ? obs.stableService : obs.canaryService;
  if (known?.owned === false) {
    const message = `Service ${known.name} belongs to ${known.ownerName ?? 'somebody else'}.`;
    return { kind: 'failed', command, reason: 'Other', error: new Error(message) };
  }
  if (known !== null && resourceVersion !== null) {
    const { name, uid } = known;
    const target = which({ name, uid, resourceVersion }, scene);
    return settle(command, scene, ports.writes.selectPods(target, selectorOf(object, revision)));
  }
  if (userService === null) {
    const message =
      `Service ${serviceName(object, role)} can't be made: the ports of ` +
      `Service ${object.spec.traffic.service} could not be read.`;
    return { kind: 'failed', command, reason: 'Other', error: new Error(message) };
  }
  const body = serviceBody(object, role, revision, userService);
  return settle(command, scene, ports.writes.createService(body));
}

/** What is gone already can't be left behind, and is no reason to stay. */
async function orphan(
  command: Extract<Command, { kind: 'orphan' }>,
  scene: Scene,
): Promise<Outcome> {
  const { uid } = scene.object.metadata;
  const all = [
    ...command.replicaSets.map((named) => ({ kind: 'ReplicaSet' as const, named })),
    ...command.services.map((named) => ({ kind: 'Service' as const, named })),
  ];
  for (const { kind, named } of all) {
    const target = which({ ...named, resourceVersion: null }, scene);
    const result = await scene.ports.writes.orphan(kind, target, uid);
    if (result.kind === 'done' || result.kind === 'missing') continue;
    return settle(command, scene, Promise.resolve(result));
  }
  return { kind: 'done', command, changed: true, atMs: scene.ports.clock.nowMs() };
}

function writeFinalizer(command: Command, scene: Scene): Promise<Outcome> {
  const { metadata } = scene.object;
  const others = (metadata.finalizers ?? []).filter((name) => name !== FINALIZER);
  const finalizers = command.kind === 'addFinalizer' ? [...others, FINALIZER] : others;
  return settle(
    command,
    scene,
    scene.ports.writes.writeFinalizers(which(metadata, scene), finalizers),
  );
}
