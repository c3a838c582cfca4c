// What one pass sees (Observation) and what it wants done (Command). Shapes only: observe.ts fills
// the first, decide.ts turns it into the second, act.ts carries that out.
import type { ParsedAction } from '../api/actions.ts';
import type { Incident, RouteKind, X0ttaDeployment } from '../api/schema.ts';
import type { Policy, PolicyResult } from '../api/defaults.ts';
import type { Reason } from '../api/reasons.ts';
import type { RevisionEvidence } from './evidence.ts';

/** Milliseconds since the epoch. */
export type TimeMs = number;

/** One container's trouble, as its pod's status says it. */
export interface ContainerView {
  readonly name: string;
  readonly restartCount: number;
  /** `state.waiting.reason`, for example CrashLoopBackOff. */
  readonly waitingReason: string | null;
  readonly waitingMessage: string | null;
  /** The reason of the newest termination, running again or not. */
  readonly terminatedReason: string | null;
  readonly terminatedAtMs: TimeMs | null;
}

export interface PodView {
  readonly name: string;
  readonly uid: string;
  readonly createdAtMs: TimeMs;
  readonly ready: boolean;
  /** When the Ready condition last became true; null while it is not. */
  readonly readySinceMs: TimeMs | null;
  /** When the Ready condition last became false; null while it is true or was never set. */
  readonly notReadySinceMs: TimeMs | null;
  readonly terminating: boolean;
  readonly unschedulable: string | null;
  /** When this operator first saw an image of the pod fail to be pulled, and it still fails. */
  readonly imageFailingSinceMs: TimeMs | null;
  readonly containers: readonly ContainerView[];
}

/** Why something can't be carried out until a person acts. */
export interface Problem {
  readonly reason: Reason;
  readonly message: string;
}

/** What the operator wrote down on a ReplicaSet, so that it survives the status. */
export interface RevisionRecord {
  readonly role: 'stable' | 'canary' | null;
  /** 1 for the first attempt of a revision, higher for each later one. */
  readonly attempt: number;
  readonly attemptBegunMs: TimeMs | null;
  /** First available pod of this attempt; evidence counts from here. */
  readonly attemptStartMs: TimeMs | null;
  /** From 1; the number of steps plus one is the final one, at weight 100. 0: none was begun. */
  readonly step: number;
  /**
   * Since when a step without its weight, or a revision that comes back, lacks pods: the progress
   * deadline counts from here. Null once it had all of them.
   */
  readonly podsMissingSinceMs: TimeMs | null;
  /** When the router accepted the step's weight: the hold counts from here. */
  readonly stepStartMs: TimeMs | null;
  /** The weight that the step was to give when it was decided; null before the first. */
  readonly decidedWeight: number | null;
  /** The newest weight that the router accepted, with its hold's start; null before the first. */
  readonly stepWeight: number | null;
  readonly rejected: boolean;
  /** The verdict's incident, so that a lost status can be written again. */
  readonly incident: Incident | null;
  readonly drainingSinceMs: TimeMs | null;
  /** Since when a canary that had weight has had no available pod; null while it has one. */
  readonly downSinceMs: TimeMs | null;
  /** The most replicas that stable must keep until the rollout ends: its count when it began. */
  readonly stableFloor: number | null;
  /** The id of the action that began this attempt. */
  readonly retriedBy: string | null;
  /** The newest step that a person approved; 0: none. */
  readonly approvedStep: number;
  /** The id of the action that paused the object; it stands on any one of its ReplicaSets. */
  readonly pausedBy: string | null;
  /** When the revision last became stable; null for one that never was. */
  readonly promotedMs: TimeMs | null;
}

/** A ReplicaSet that the object owns. */
export interface RevisionView {
  readonly revision: string;
  /** Full SHA-256 of the template, hex. */
  readonly hash: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdAtMs: TimeMs;
  readonly deleting: boolean;
  /** spec.replicas. */
  readonly replicas: number;
  /** status.availableReplicas, but never more than pods that are ready now. */
  readonly available: number;
  /** status.replicas: pods that exist. */
  readonly current: number;
  readonly images: readonly string[];
  /** The message of a ReplicaFailure condition (quota, Pod Security, a webhook). */
  readonly failure: string | null;
  readonly record: RevisionRecord;
  readonly pods: readonly PodView[];
}

export interface ServiceView {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** The pod-template-hash that it selects. */
  readonly revision: string | null;
  /** False when another owner or object has it; never taken over then. */
  readonly owned: boolean;
  readonly ownerName: string | null;
}

/** What is read of the Service that the user wrote. */
export interface UserServiceView {
  /** Its first port; null when it has none. */
  readonly port: number | null;
  /** Whether its selector matches the pods of the template, past the router. */
  readonly reachesPods: boolean;
}

/** The ready addresses behind one of the operator's services. */
export interface EndpointsView {
  readonly ready: number;
  /** Names of the pods behind ready addresses. */
  readonly pods: readonly string[];
}

export interface PairView {
  readonly rule: number;
  readonly stable: number;
  readonly canary: number;
  readonly stableWeight: number;
  readonly canaryWeight: number;
}

export interface RolloutMark {
  readonly uid: string;
  readonly revision: string;
  readonly attempt: number;
}

/** One route of spec.traffic as the API server has it. */
export interface RouteView {
  readonly kind: RouteKind;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Each rule that names both services. */
  readonly pairs: readonly PairView[];
  readonly mark: RolloutMark | null;
  readonly verdict: 'none' | 'rejected' | null;
  /** The incident that rode on the verdict's patch. */
  readonly incident: Incident | null;
  /** Every parent says Accepted and ResolvedRefs for the generation that we read. */
  readonly accepted: boolean;
  /** Why not, in the router's words. */
  readonly notAccepted: string;
  /** Nothing is wrong but that the router has spoken of an older generation only. */
  readonly lags: boolean;
  /** The newest manager other than this operator that wrote the spec. */
  readonly otherManager: string | null;
  /** This operator has an entry in managedFields: who applies without force meets a conflict. */
  readonly fieldsOwned: boolean;
}

export interface Observation {
  /** The operator's clock: incident times, drain delays and deadlines. */
  readonly nowMs: TimeMs;
  /** The metric server's clock as last estimated: holds count on it. */
  readonly metricsNowMs: TimeMs;
  readonly object: X0ttaDeployment;
  readonly finalizing: boolean;
  readonly hasFinalizer: boolean;
  /** What the spec comes to as it is written now. */
  readonly policy: PolicyResult;
  /** What a canary in traffic is judged by: the policy, or the last one that was valid. */
  readonly standing: Policy;
  /** False while the spec is invalid and no valid one was ever read: its steps may be any. */
  readonly stepsAreKnown: boolean;
  /**
   * Why the policy can't be carried out with the configured metric servers; null when it can. Of a
   * policy that is invalid itself no more is known than whether its server is there.
   */
  readonly policyProblem: Problem | null;
  /** Which custom query matches no series at all, said to the user; null when none is known. */
  readonly emptyQuery: string | null;
  readonly desired: { readonly revision: string; readonly hash: string };
  readonly revisions: readonly RevisionView[];
  readonly stableService: ServiceView | null;
  readonly canaryService: ServiceView | null;
  /** 'missing' when the API server has none; null when nobody needed to look. */
  readonly userService: UserServiceView | 'missing' | null;
  readonly stableEndpoints: EndpointsView;
  readonly canaryEndpoints: EndpointsView;
  /** In the order of spec.traffic; null where the route does not exist. */
  readonly routes: readonly (RouteView | null)[];
  /** For each route, the key of the other object whose rollout it carries; null when it is free. */
  readonly routeOwners: readonly (string | null)[];
  readonly action: ParsedAction;
  readonly evidence: RevisionEvidence | null;
  /** Weights that another writer lowers again and again are put back no sooner than this. */
  readonly raiseNotBeforeMs: TimeMs;
  /** A hand-back that did not succeed is tried again no sooner than this. */
  readonly handBackNotBeforeMs: TimeMs;
  /** Incidents of a status that was made and could not be written yet. */
  readonly unwritten: readonly Incident[];
  /** The API server's words on the ReplicaSet of the desired revision, from an earlier pass. */
  readonly replicaSetProblem: Problem | null;
}

/**
 * A write that gives traffic is conditional on what was read; one that takes it pins names only.
 */
export type Guard = 'raise' | 'lower';

/** An object of a kind that the command knows, in the namespace of the X0ttaDeployment. */
export interface NamedObject {
  readonly name: string;
  readonly uid: string;
}

export type Command =
  | {
      readonly kind: 'setWeights';
      readonly guard: Guard;
      /** Percent of each pair's sum, 0 to 100. */
      readonly canaryWeight: number;
      readonly mark: RolloutMark;
      readonly verdict: 'none' | 'rejected';
      readonly incident: Incident | null;
    }
  | { readonly kind: 'releaseRoutes' }
  /** Takes the operator's own entry out of the routes' managedFields. Nothing depends on it. */
  | { readonly kind: 'handBackRoutes' }
  /** Live GET of every route; the outcome says whether the canary stands at 0 on all. */
  | { readonly kind: 'readBack' }
  | {
      readonly kind: 'createReplicaSet';
      readonly revision: string;
      readonly hash: string;
      readonly replicas: number;
      readonly record: Partial<RevisionRecord>;
    }
  | {
      /** Writes the record's given fields; with `replicas` in the same patch. */
      readonly kind: 'writeRevision';
      readonly name: string;
      readonly uid: string;
      /** Null: unconditional (a verdict, or scaling up). */
      readonly resourceVersion: string | null;
      readonly record: Partial<RevisionRecord>;
      readonly replicas?: number;
    }
  | {
      readonly kind: 'deleteReplicaSet';
      readonly name: string;
      readonly uid: string;
      readonly resourceVersion: string;
    }
  | {
      readonly kind: 'applyService';
      readonly role: 'stable' | 'canary';
      readonly revision: string;
      /** The service that was read; null creates it. */
      readonly resourceVersion: string | null;
    }
  /** Takes the object's owner references off, so that what is named outlives it. */
  | {
      readonly kind: 'orphan';
      readonly replicaSets: readonly NamedObject[];
      readonly services: readonly NamedObject[];
    }
  | { readonly kind: 'addFinalizer' }
  | { readonly kind: 'removeFinalizer' };

/** What became of one command. */
export type Outcome =
  | {
      readonly kind: 'done';
      readonly command: Command;
      readonly changed: boolean;
      readonly atMs: TimeMs;
    }
  /** Somebody else wrote first: look again. */
  | { readonly kind: 'conflict'; readonly command: Command; readonly message: string }
  /** A readBack that did not show the canary at 0 everywhere. */
  | { readonly kind: 'notYet'; readonly command: Command; readonly message: string }
  /** The API server refuses the ReplicaSet for good, or its name is taken. */
  | { readonly kind: 'refused'; readonly command: Command; readonly problem: Problem }
  /** A hand-back failed, which holds nothing up: it is left for a later pass. */
  | { readonly kind: 'putOff'; readonly command: Command; readonly message: string }
  /** `reason`: why, in one word: the API server's own, Network, NotLeading or Other. */
  | {
      readonly kind: 'failed';
      readonly command: Command;
      readonly reason: string;
      readonly error: Error;
    };
