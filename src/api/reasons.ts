// Every reason that a condition or an Event of the operator carries, each with one line on what it
// means. It decides nothing; core chooses.

/** Reasons of conditions and Events, with their meaning. */
export const REASONS = {
  // Stable
  Available: 'Stable serves with all the pods it needs.',
  MinimumReplicasUnavailable: 'Stable has fewer available pods than it needs.',
  FirstRollout: 'The first revision is rolled out without a canary.',
  StableOutOfSight: 'Pods of stable serve, and their ReplicaSet is not there.',
  Promoted: 'The canary passed every step and is stable now.',
  Stable: 'One revision serves and nothing is to do.',

  // Progressing
  RolloutStarted: 'A new revision was found and its canary begins.',
  StepStarted: 'The canary got the weight of its next step.',
  WaitingForPods: 'The canary has fewer available pods than its next weight needs.',
  WaitingForEndpoints:
    "A service's endpoints do not hold the ready pods of its revision alone yet.",
  WaitingForRouter: 'The router has not accepted the weights yet.',
  Holding: "The step's hold has not passed yet.",
  Promoting: 'The canary has all the traffic and becomes stable.',
  Baking: 'The canary has all the traffic and is judged until the bake is over.',
  AwaitingApproval: 'The step waits for a person to approve it.',
  Paused: 'A person paused the object; nothing advances until a resume.',
  EvidenceAvailable: 'Every needed signal has usable evidence.',
  EvidenceMissing: 'A needed signal has no usable evidence; the canary waits.',
  LevelCritical: 'A signal is beyond its critical limit, or was within the hold; the canary waits.',
  Superseded: 'A newer template replaced the canary before it was done.',
  Deleting: 'The object is being deleted; the routes go to stable first.',

  // Rollback
  RollbackDecided: 'The verdict is taken.',
  IncidentRecorded: 'An incident is written down that leads to no rollback.',
  RollingBack: 'Traffic is on its way back to stable.',
  RolledBack: 'Every route was read back with the canary at 0.',
  NotRolledBack: 'No verdict stands against the current template.',
  ProgressDeadlineExceeded: 'The canary did not become available within its deadline.',

  // Actions
  ActionAccepted: 'An action was acknowledged.',
  ActionRefused: 'An action cannot be carried out; the message says why.',
  ActionMalformed: 'The action annotation cannot be read.',

  // Traffic
  WeightsConfirmed: 'The routes were read back with the weights the operator wants.',
  RouteWriteFailed: 'The weights of a route could not be written; the message says why.',
  WeightsOverwritten: 'Another writer changed the weights; they are put back.',
  ServiceBypassesRouter:
    "The user's own Service reaches canary pods by pod count, past the router.",
  BackendsMissing: 'No rule of a route holds both services.',
  RouteMissing: 'A route of the spec does not exist.',
  RouteClaimed: 'A route carries the rollout of another object.',
  ServiceMissing: 'The Service of the spec does not exist.',
  ServiceClaimed: 'A service of the needed name belongs to another owner.',

  // Invalid
  InvalidSpec: 'The spec cannot be carried out as written.',
  InvalidTemplate: 'The API server refuses the template, in its own words.',
  ReplicaSetConflict: 'A ReplicaSet of the name exists with another hash or owner.',
  HoldShorterThanScrapeAllows: 'A hold is too short for the scrape interval to show it.',
  LimitAboveTopBucket: 'A latency limit lies above the highest finite bucket.',
  InvalidQuery: 'The metric server cannot carry out a query of the spec, in its own words.',
  QueryEmpty: 'A query of the spec matches no series at all; is a name misspelt?',
  UnknownServer: "The Prometheus server is not in the operator's configuration.",

  // Verdicts and absences of single signals (evidence.md)
  Clear: 'Within its limits.',
  Suspect: 'Beyond the rollback limit, not yet for the hold.',
  Held: 'Beyond the rollback limit for the hold.',
  NotYetAsked: 'The evidence was not asked for yet.',
  TooFewRequests: 'Fewer requests than minRequests; never counted as healthy.',
  Empty: 'The answer has no row for the revision.',
  NotANumber: 'The value is not a number.',
  Infinite: 'The value is infinite.',
  Stale: 'The newest sample is older than two scrapes.',
  Partial: 'The server warned that its answer is partial.',
  AmbiguousSource: 'More pods than the revision ever had report as it.',
  ProfileMismatch: 'The series lack the labels that the profile needs.',
  Refused: 'The connection was refused.',
  TimedOut: 'The server did not answer in time.',
  ClientError: 'The server refused the query.',
  ServerError: 'The server failed.',
  Malformed: 'The answer is not what the query API returns.',
  Truncated: 'The answer ended early.',
  TooManySeries: 'The answer exceeds the result cap.',
} as const satisfies Record<string, string>;

/** A reason, one PascalCase word. */
export type Reason = keyof typeof REASONS;
