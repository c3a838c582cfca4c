// A cluster in memory for the decision alone: it makes Observations, carries Commands out, and lets
// a test crash the operator between two of them. Pods get ready at once unless a test says not.
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { Policy } from '../../src/api/defaults.ts';
import type { ParsedAction } from '../../src/api/actions.ts';
import type { Incident, Spec, Status } from '../../src/api/schema.ts';
import type { RawPoints, RevisionEvidence, SignalEvidence } from '../../src/core/evidence.ts';
import { sameStatus } from '../../src/core/conditions.ts';
import { decide } from '../../src/core/decide.ts';
import type { Decision } from '../../src/core/decision.ts';
import type {
  Command,
  Observation,
  Outcome,
  PodView,
  RevisionRecord,
  RevisionView,
  RolloutMark,
  RouteView,
  ServiceView,
} from '../../src/core/model.ts';
import { foldStatus } from '../../src/core/status.ts';
import { specWith } from '../api/spec.ts';

export const startMs = Date.UTC(2026, 0, 31, 12);
const uid = 'uid-shop';

const noRecord: RevisionRecord = {
  role: null,
  attempt: 1,
  attemptBegunMs: null,
  attemptStartMs: null,
  step: 0,
  podsMissingSinceMs: null,
  stepStartMs: null,
  decidedWeight: null,
  stepWeight: null,
  rejected: false,
  incident: null,
  drainingSinceMs: null,
  downSinceMs: null,
  stableFloor: null,
  retriedBy: null,
  approvedStep: 0,
  pausedBy: null,
  promotedMs: null,
};

const noRollout = { canaryWeight: 0, mark: null, verdict: null, incident: null } as const;

interface Revision {
  readonly revision: string;
  readonly createdAtMs: number;
  replicas: number;
  record: RevisionRecord;
}

interface Route {
  canaryWeight: number;
  mark: RolloutMark | null;
  verdict: 'none' | 'rejected' | null;
  incident: Incident | null;
  /** An entry of the operator stands in its managedFields: each write of it makes one. */
  fieldsOwned: boolean;
}

/** What happens to a pass on its way. */
export interface Mishap {
  /** The operator dies after so many commands, and writes no status. */
  readonly dieAfter?: number;
  /** Everything is done but the status write. */
  readonly loseStatus?: boolean;
  /** Writes that the API server does not take. */
  readonly fails?: (command: Command) => boolean;
}

/** One write of weights, as an audit log would have it. */
export interface WeightWrite {
  readonly weight: number;
  readonly verdict: 'none' | 'rejected';
}

export class FakeCluster {
  nowMs = startMs;
  spec: Spec;
  desired = 'aaaaaaaaaa';
  status: Status | undefined;
  action: ParsedAction = { kind: 'none' };
  evidence: RevisionEvidence | null = null;
  routeAccepted = true;
  raiseNotBeforeMs = 0;
  handBackNotBeforeMs = 0;
  otherManager: string | null = null;
  /** Whether the routes, read back, still show the weights of before. */
  routesLag = false;
  finalizing = false;
  hasFinalizer = false;
  /** Revisions whose pods never get ready, with what their containers wait for. */
  readonly broken = new Map<string, string>();
  /** How many pods of a revision are ready at most. */
  readonly ready = new Map<string, number>();
  readonly revisions = new Map<string, Revision>();
  readonly services: Record<'stable' | 'canary', string | null> = { stable: null, canary: null };
  readonly route: Route = { ...noRollout, fieldsOwned: false };
  readonly weightWrites: WeightWrite[] = [];
  readonly carriedOut: Command[] = [];
  #version = 1;

  constructor(change: Parameters<typeof specWith>[0] = {}) {
    this.spec = specWith(change);
  }

  get policy(): Policy {
    const result = resolvePolicy(this.spec);
    if (result.kind === 'invalid') throw new Error(result.messages.join('; '));
    return result.policy;
  }

  get routed(): boolean {
    return this.spec.traffic.gatewayAPI !== undefined;
  }

  observe(): Observation {
    const policy = resolvePolicy(this.spec);
    const { desired, nowMs } = this;
    return {
      nowMs,
      metricsNowMs: nowMs,
      object: {
        apiVersion: 'x0tta.io/v1alpha1',
        kind: 'X0ttaDeployment',
        metadata: {
          name: 'shop',
          namespace: 'mesh',
          uid,
          generation: 1,
          resourceVersion: String(this.#version),
        },
        spec: this.spec,
        ...(this.status === undefined ? {} : { status: this.status }),
      },
      finalizing: this.finalizing,
      hasFinalizer: this.hasFinalizer,
      policy,
      standing: this.policy,
      stepsAreKnown: true,
      policyProblem: null,
      emptyQuery: null,
      desired: { revision: desired, hash: `hash-${desired}` },
      revisions: [...this.revisions.values()].map((revision) => this.#view(revision)),
      stableService: this.#service('stable'),
      canaryService: this.#service('canary'),
      userService: { port: 8080, reachesPods: true },
      stableEndpoints: this.#endpoints('stable'),
      canaryEndpoints: this.#endpoints('canary'),
      routes: this.routed ? [this.#routeView()] : [],
      routeOwners: this.routed ? [null] : [],
      action: this.action,
      evidence: this.evidence,
      raiseNotBeforeMs: this.raiseNotBeforeMs,
      handBackNotBeforeMs: this.handBackNotBeforeMs,
      unwritten: [],
      replicaSetProblem: null,
    };
  }

  /** One pass of the operator. */
  pass({ dieAfter = Infinity, loseStatus = false, fails }: Mishap = {}): Decision {
    const obs = this.observe();
    const decision = decide(obs);
    const outcomes: Outcome[] = [];
    for (const command of decision.commands) {
      if (outcomes.length >= dieAfter) return decision;
      const outcome: Outcome =
        fails?.(command) === true
          ? { kind: 'failed', command, reason: 'InternalError', error: new Error('500') }
          : this.#carryOut(command);
      outcomes.push(outcome);
      if (outcome.kind !== 'done') break;
    }
    if (dieAfter === Infinity && !loseStatus) {
      const status = foldStatus(decision, outcomes);
      if (!sameStatus(this.status, status)) this.status = status;
    }
    return decision;
  }

  /** Passes until one has nothing to do and nothing to say; throws when none comes. */
  settle(): Decision {
    for (let passes = 0; passes < 60; passes++) {
      const before = JSON.stringify([this.status, this.#version]);
      const decision = this.pass();
      if (decision.commands.length === 0 && before === JSON.stringify([this.status, this.#version]))
        return decision;
    }
    throw new Error(`60 passes and no rest: ${JSON.stringify(this.pass())}`);
  }

  /** A stable revision at rest, then the template of `revision` applied and its first weight. */
  rollOut(revision: string): Decision {
    if (this.revisions.size === 0) this.settle();
    this.desired = revision;
    return this.settle();
  }

  record(revision: string): RevisionRecord {
    const found = this.revisions.get(revision);
    if (found === undefined) throw new Error(`no revision ${revision}`);
    return found.record;
  }

  #view({ revision, createdAtMs, replicas, record }: Revision): RevisionView {
    const broken = this.broken.get(revision);
    const ready = broken === undefined ? (this.ready.get(revision) ?? Infinity) : 0;
    const waiting = broken ?? 'ContainerCreating';
    const pods = Array.from({ length: replicas }, (_, i) =>
      this.#pod(revision, i, i < ready ? undefined : waiting),
    );
    return {
      revision,
      hash: `hash-${revision}`,
      name: `shop-${revision}`,
      uid: `uid-${revision}`,
      resourceVersion: String(this.#version),
      createdAtMs,
      deleting: false,
      replicas,
      available: Math.min(replicas, ready),
      current: replicas,
      images: [`shop:${revision}`],
      failure: null,
      record,
      pods,
    };
  }

  #pod(revision: string, index: number, waiting: string | undefined): PodView {
    const ready = waiting === undefined;
    return {
      name: `shop-${revision}-${index}`,
      uid: `uid-${revision}-${index}`,
      createdAtMs: startMs,
      ready,
      readySinceMs: ready ? startMs : null,
      notReadySinceMs: ready ? null : startMs,
      terminating: false,
      unschedulable: null,
      imageFailingSinceMs: null,
      containers: [
        {
          name: 'main',
          restartCount: 0,
          waitingReason: waiting ?? null,
          waitingMessage: null,
          terminatedReason: null,
          terminatedAtMs: null,
        },
      ],
    };
  }

  #service(role: 'stable' | 'canary'): ServiceView | null {
    const revision = this.services[role];
    if (revision === null) return null;
    const name = `shop-${role}`;
    const resourceVersion = String(this.#version);
    return { name, uid: name, resourceVersion, revision, owned: true, ownerName: 'shop' };
  }

  #endpoints(role: 'stable' | 'canary'): Observation['stableEndpoints'] {
    const revision = this.revisions.get(this.services[role] ?? '');
    if (revision === undefined) return { ready: 0, pods: [] };
    const ready = this.#view(revision).pods.filter((pod) => pod.ready);
    const pods = ready.map(({ name }) => name);
    return { ready: pods.length, pods };
  }

  #routeView(): RouteView {
    const { canaryWeight, ...rest } = this.route;
    return {
      kind: 'HTTPRoute',
      name: 'shop',
      uid: 'uid-route',
      resourceVersion: String(this.#version),
      pairs: [{ rule: 0, stable: 0, canary: 1, stableWeight: 100 - canaryWeight, canaryWeight }],
      ...rest,
      accepted: this.routeAccepted,
      notAccepted: 'no gateway has reported on the route yet',
      lags: false,
      otherManager: this.otherManager,
    };
  }

  #carryOut(command: Command): Outcome {
    this.#version++;
    this.carriedOut.push(command);
    const done: Outcome = { kind: 'done', command, changed: true, atMs: this.nowMs };
    switch (command.kind) {
      case 'setWeights':
        return this.#setWeights(command, done);
      case 'releaseRoutes':
        return this.#writeRoute(noRollout, done);
      case 'handBackRoutes':
        this.route.fieldsOwned = false;
        return done;
      case 'readBack':
        this.#version--;
        return this.route.canaryWeight === 0 && !this.routesLag
          ? { ...done, changed: false }
          : { kind: 'notYet', command, message: 'the route still gives the canary weight' };
      case 'createReplicaSet':
        this.revisions.set(command.revision, {
          revision: command.revision,
          createdAtMs: this.nowMs,
          replicas: command.replicas,
          record: { ...noRecord, ...command.record },
        });
        return done;
      case 'writeRevision':
        return this.#writeRevision(command, done);
      case 'deleteReplicaSet':
        this.revisions.delete(command.name.slice('shop-'.length));
        return done;
      case 'applyService':
        this.services[command.role] = command.revision;
        return done;
      case 'orphan':
        return done;
      case 'addFinalizer':
      case 'removeFinalizer':
        this.hasFinalizer = command.kind === 'addFinalizer';
        return done;
    }
  }

  #setWeights(command: Extract<Command, { kind: 'setWeights' }>, done: Outcome): Outcome {
    const { canaryWeight, mark, verdict, incident, guard } = command;
    const weight =
      guard === 'lower' ? Math.min(canaryWeight, this.route.canaryWeight) : canaryWeight;
    this.weightWrites.push({ weight, verdict });
    return this.#writeRoute({ canaryWeight: weight, mark, verdict, incident }, done);
  }

  #writeRoute(change: Omit<Route, 'fieldsOwned'>, done: Outcome): Outcome {
    const before = JSON.stringify(this.route);
    Object.assign(this.route, change);
    this.route.fieldsOwned ||= JSON.stringify(this.route) !== before;
    return done;
  }

  #writeRevision(command: Extract<Command, { kind: 'writeRevision' }>, done: Outcome): Outcome {
    const found = this.revisions.get(command.name.slice('shop-'.length));
    if (found === undefined) return { kind: 'conflict', command, message: 'it is gone' };
    found.record = { ...found.record, ...command.record };
    found.replicas = command.replicas ?? found.replicas;
    return done;
  }
}

/** Evidence of both built-in signals; an error ratio a second, oldest first, the newest now. */
export function evidenceOf(
  nowMs: number,
  errorRatios: readonly number[],
  latency: SignalEvidence | 'healthy' = 'healthy',
): RevisionEvidence {
  const points = errorRatios.map((ratio, i) => ({
    timeMs: nowMs - (errorRatios.length - 1 - i) * 1000,
    byCode: [
      { code: '200', perSecond: 100 * (1 - ratio) },
      { code: '500', perSecond: 100 * ratio },
    ],
  }));
  const slow = points.map(({ timeMs }) => ({
    timeMs,
    buckets: [
      { le: 0.1, perSecond: 100 },
      { le: 0.5, perSecond: 100 },
      { le: Infinity, perSecond: 100 },
    ],
  }));
  return {
    observedAtMs: nowMs,
    signals: {
      errorRate: knownEvidence({ kind: 'requests', points }),
      latencyP95:
        latency === 'healthy' ? knownEvidence({ kind: 'latency', points: slow }) : latency,
    },
  };
}

export function knownEvidence(history: RawPoints): SignalEvidence {
  const latest = { ...history, points: history.points.slice(-1) } as RawPoints;
  const grid = { windowSeconds: 4, stepSeconds: 1, isWhole: true };
  const how = { ...grid, query: 'query', lookedFor: 'requests' };
  return { state: 'known', latest, history, ...how };
}
