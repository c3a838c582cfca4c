// The names the operator reads and writes in a cluster: group, kind, labels, annotations,
// finalizer, each with what it is for. docs/reference.md lists them from here.

export const GROUP = 'x0tta.io';
export const VERSION = 'v1alpha1';
export const API_VERSION = 'x0tta.io/v1alpha1';
export const KIND = 'X0ttaDeployment';
export const PLURAL = 'x0ttadeployments';
export const SHORT_NAME = 'x0tta';

/** Field manager of every write of the operator. */
export const FIELD_MANAGER = 'x0tta';
/** Puts the routes on stable before an object goes. */
export const FINALIZER = 'x0tta.io/traffic';

export const REVISION_LABEL = 'pod-template-hash';
export const OBJECT_LABEL = 'x0tta.io/object';
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by';

export const ACTION_ANNOTATION = 'x0tta.io/action';
export const ROLLOUT_ANNOTATION = 'x0tta.io/rollout';
export const VERDICT_ANNOTATION = 'x0tta.io/verdict';
export const INCIDENT_ANNOTATION = 'x0tta.io/incident';
export const HASH_ANNOTATION = 'x0tta.io/template-hash';
export const ROLE_ANNOTATION = 'x0tta.io/role';
export const ATTEMPT_ANNOTATION = 'x0tta.io/attempt';
export const ATTEMPT_BEGUN_ANNOTATION = 'x0tta.io/attempt-begun';
export const ATTEMPT_START_ANNOTATION = 'x0tta.io/attempt-start';
export const STEP_ANNOTATION = 'x0tta.io/step';
export const STEP_INTENT_ANNOTATION = 'x0tta.io/step-intent';
export const STEP_START_ANNOTATION = 'x0tta.io/step-start';
export const STEP_INTENT_WEIGHT_ANNOTATION = 'x0tta.io/step-intent-weight';
export const STEP_WEIGHT_ANNOTATION = 'x0tta.io/step-weight';
export const DRAINING_SINCE_ANNOTATION = 'x0tta.io/draining-since';
export const DOWN_SINCE_ANNOTATION = 'x0tta.io/down-since';
export const STABLE_FLOOR_ANNOTATION = 'x0tta.io/stable-floor';
export const RETRIED_BY_ANNOTATION = 'x0tta.io/retried-by';
export const APPROVED_STEP_ANNOTATION = 'x0tta.io/approved-step';
export const PAUSED_BY_ANNOTATION = 'x0tta.io/paused-by';
export const PROMOTED_ANNOTATION = 'x0tta.io/promoted';

export interface WrittenName {
  readonly name: string;
  readonly kind: 'label' | 'annotation' | 'finalizer';
  /** Kinds of the objects that carry it. */
  readonly on: string;
  readonly meaning: string;
}

const annotation = (name: string, on: string, meaning: string): WrittenName => ({
  name,
  kind: 'annotation',
  on,
  meaning,
});

/**
 * Everything the operator puts on objects besides their specs and weights; for the documentation.
 */
export const WRITTEN_NAMES: readonly WrittenName[] = [
  {
    name: FINALIZER,
    kind: 'finalizer',
    on: KIND,
    meaning: 'The routes are put on stable before the object goes.',
  },
  {
    name: REVISION_LABEL,
    kind: 'label',
    on: 'ReplicaSet, Pod; selectors of the two services',
    meaning: 'The revision, ten characters.',
  },
  {
    name: OBJECT_LABEL,
    kind: 'label',
    on: 'ReplicaSet, Pod',
    meaning: `Name of the ${KIND}; what the operator watches is chosen by it.`,
  },
  {
    name: MANAGED_BY_LABEL,
    kind: 'label',
    on: 'Service',
    meaning: `Made by the operator; the value is ${FIELD_MANAGER}.`,
  },
  annotation(
    ROLLOUT_ANNOTATION,
    'HTTPRoute, GRPCRoute',
    'Rollout that has weight on the route: `<UID of the object>/<revision>/<attempt>`.',
  ),
  annotation(
    VERDICT_ANNOTATION,
    'HTTPRoute, GRPCRoute, ReplicaSet',
    '`none`, or `rejected` once the rollback was decided.',
  ),
  annotation(
    INCIDENT_ANNOTATION,
    'HTTPRoute, GRPCRoute, ReplicaSet',
    'Incident behind the verdict as JSON, so that a lost status can be written again.',
  ),
  annotation(HASH_ANNOTATION, 'ReplicaSet', 'SHA-256 of the template, 64 hexadecimal digits.'),
  annotation(ROLE_ANNOTATION, 'ReplicaSet', '`stable`, `canary`, or `none`.'),
  annotation(ATTEMPT_ANNOTATION, 'ReplicaSet', 'Number of the attempt, from 1.'),
  annotation(ATTEMPT_BEGUN_ANNOTATION, 'ReplicaSet', 'When the attempt was first scaled up.'),
  annotation(
    ATTEMPT_START_ANNOTATION,
    'ReplicaSet',
    'When its first pod was available; evidence counts from here.',
  ),
  annotation(STEP_ANNOTATION, 'ReplicaSet', 'Running step, from 0.'),
  annotation(
    STEP_INTENT_ANNOTATION,
    'ReplicaSet',
    'Since when it lacks pods; the progress deadline counts from here.',
  ),
  annotation(
    STEP_INTENT_WEIGHT_ANNOTATION,
    'ReplicaSet',
    'Weight that the step was to give when it was decided.',
  ),
  annotation(
    STEP_START_ANNOTATION,
    'ReplicaSet',
    "When the router accepted the step's weight; the hold counts from here.",
  ),
  annotation(
    STEP_WEIGHT_ANNOTATION,
    'ReplicaSet',
    'Weight that the router accepted then; a step that is edited to another one begins anew.',
  ),
  annotation(
    DRAINING_SINCE_ANNOTATION,
    'ReplicaSet',
    'When the drain delay of a revision without traffic began.',
  ),
  annotation(
    DOWN_SINCE_ANNOTATION,
    'ReplicaSet',
    'Since when the canary has had no available pod, whatever pods come and go.',
  ),
  annotation(
    STABLE_FLOOR_ANNOTATION,
    'ReplicaSet',
    'Replicas that stable keeps until the rollout ends.',
  ),
  annotation(RETRIED_BY_ANNOTATION, 'ReplicaSet', 'Id of the action that began the attempt.'),
  annotation(APPROVED_STEP_ANNOTATION, 'ReplicaSet', 'Newest step that a person approved.'),
  annotation(PAUSED_BY_ANNOTATION, 'ReplicaSet', 'Id of the action that paused the object.'),
  annotation(PROMOTED_ANNOTATION, 'ReplicaSet', 'When the revision last became stable.'),
];
