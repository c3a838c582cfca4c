// An HTTPRoute or GRPCRoute as the API server returns it, and the view of it that core judges. It
// writes nothing.
import { FIELD_MANAGER } from '../api/names.ts';
import type { RouteKind } from '../api/schema.ts';
import type { PairView, RouteView } from '../core/model.ts';
import { cut } from '../core/text.ts';
import type { KubeObject, ObjectMeta } from '../kube/port.ts';
import { readNotes } from './annotations.ts';
import { canBeSplit, type Pair } from './weights.ts';

/** A backend of a rule; filters and ports are there as well and of no concern here. */
export interface BackendRef {
  readonly group?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name: string;
  readonly port?: number;
  /** 1 when left out (Gateway API, BackendRef). */
  readonly weight?: number;
}

export interface RouteCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

/** One gateway's word on the route. */
export interface RouteParent {
  readonly parentRef: { readonly namespace?: string; readonly name: string };
  readonly controllerName: string;
  readonly conditions?: readonly RouteCondition[];
}

/** An entry of managedFields; the store keeps those of the rules and the operator's own. */
export interface ManagedFields {
  /** Its place in the whole list, on an own entry that the store keeps; else it is its index. */
  readonly place?: number;
  readonly manager?: string;
  readonly subresource?: string;
  /** RFC 3339 in UTC, to the second. */
  readonly time?: string;
  readonly fieldsV1?: { readonly 'f:spec'?: { readonly 'f:rules'?: unknown } };
}

/** gateway.networking.k8s.io/v1 HTTPRoute or GRPCRoute, which are alike as far as they are read. */
export interface HttpRoute extends KubeObject {
  readonly metadata: ObjectMeta & { readonly managedFields?: readonly ManagedFields[] };
  readonly spec: {
    readonly rules?: readonly { readonly backendRefs?: readonly BackendRef[] }[];
  };
  readonly status?: { readonly parents?: readonly RouteParent[] };
}

/** A pair with what its weights can be changed to. */
export interface RoutePair extends PairView {
  readonly weights: Pair;
  readonly stableRef: BackendRef;
  readonly canaryRef: BackendRef;
}

export interface ServicePair {
  readonly stable: string;
  readonly canary: string;
}

/** The names of the two services of `service`. */
export function servicePair(service: string): ServicePair {
  return { stable: `${service}-stable`, canary: `${service}-canary` };
}

/**
 * The pairs of each rule that names both services, in the route's own namespace. A rule that names
 * them more than once (by several ports) has as many pairs, the first with the first.
 */
export function pairsOf(route: HttpRoute, services: ServicePair): readonly RoutePair[] {
  return (route.spec.rules ?? []).flatMap(({ backendRefs = [] }, rule) => {
    const placesOf = (name: string): readonly number[] =>
      [...backendRefs.keys()].filter((place) => isService(backendRefs[place], name, route));
    const canaries = placesOf(services.canary);
    return placesOf(services.stable).flatMap((stable, nth) => {
      const canary = canaries[nth];
      const stableRef = backendRefs[stable];
      const canaryRef = canary === undefined ? undefined : backendRefs[canary];
      if (canary === undefined || stableRef === undefined || canaryRef === undefined) return [];
      return {
        rule,
        stable,
        canary,
        stableWeight: stableRef.weight ?? 1,
        canaryWeight: canaryRef.weight ?? 1,
        weights: {
          stable: stableRef.weight ?? 1,
          canary: canaryRef.weight ?? 1,
          shared: backendRefs.length > 2,
        },
        stableRef,
        canaryRef,
      };
    });
  });
}

function isService(ref: BackendRef | undefined, name: string, route: HttpRoute): boolean {
  return (
    ref?.name === name &&
    (ref.group ?? '') === '' &&
    (ref.kind ?? 'Service') === 'Service' &&
    (ref.namespace ?? route.metadata.namespace) === route.metadata.namespace
  );
}

export function viewOf(route: HttpRoute, services: ServicePair): RouteView {
  const { name, uid, resourceVersion, annotations } = route.metadata;
  const pairs = pairsOf(route, services);
  const objection = objectionOf(route, pairs, services);
  return {
    kind: kindOf(route),
    name,
    uid,
    resourceVersion,
    pairs: pairs.map(({ rule, stable, canary, stableWeight, canaryWeight }) => ({
      rule,
      stable,
      canary,
      stableWeight,
      canaryWeight,
    })),
    ...readNotes(annotations),
    accepted: objection === '',
    notAccepted: cut(objection),
    lags: objection !== '' && lags(route) && narrownessOf(pairs, services) === '',
    otherManager: otherManagerOf(route),
    fieldsOwned: ownPlaces(route).length > 0,
  };
}

function kindOf({ kind }: HttpRoute): RouteKind {
  return kind === 'GRPCRoute' ? kind : 'HTTPRoute';
}

/** Why weights on the route can't be counted on, by the gateways or by us; '' when they can. */
function objectionOf(route: HttpRoute, pairs: readonly RoutePair[], services: ServicePair): string {
  const narrow = narrownessOf(pairs, services);
  if (narrow !== '') return narrow;
  const parents = route.status?.parents ?? [];
  if (parents.length === 0) return 'no gateway has reported on the route yet';
  for (const parent of parents) {
    for (const type of ['Accepted', 'ResolvedRefs']) {
      const objection = objectionTo(parent, type, route.metadata.generation);
      if (objection !== '') return objection;
    }
  }
  return '';
}

function lags({ status }: HttpRoute): boolean {
  const parents = status?.parents ?? [];
  const saysYes = ({ conditions }: RouteParent, type: string): boolean =>
    conditions?.some((condition) => condition.type === type && condition.status === 'True') ??
    false;
  return (
    parents.length > 0 &&
    parents.every((parent) => saysYes(parent, 'Accepted') && saysYes(parent, 'ResolvedRefs'))
  );
}

/** Which rule can't give shares, and what to do about it; '' when all can. */
export function narrownessOf(pairs: readonly RoutePair[], services: ServicePair): string {
  const narrow = pairs.find(({ weights }) => !canBeSplit(weights));
  if (narrow === undefined) return '';
  return (
    `rule ${narrow.rule} has other backends, so the weights of ${services.stable} and ` +
    `${services.canary} have to keep their sum, and it is below 100; give all backends of the ` +
    'rule weights a hundred times as high'
  );
}

function objectionTo(parent: RouteParent, type: string, generation: number | undefined): string {
  const gateway = `${parent.parentRef.name} (${parent.controllerName})`;
  const condition = parent.conditions?.find((candidate) => candidate.type === type);
  if (condition === undefined) return `${gateway} has not said ${type} yet`;
  const { status, reason = '', message = '', observedGeneration } = condition;
  if (status !== 'True') return `${gateway} says ${type} is ${status}: ${reason}: ${message}`;
  if (observedGeneration === generation) return '';
  return (
    `${gateway} said ${type} of generation ${observedGeneration ?? 'unknown'}, ` +
    `not yet of ${generation ?? 'unknown'}`
  );
}

/**
 * The newest other manager that has the rules. They are one atomic list, so whoever changed them
 * last without force has them alone, and whoever applied the same has them too.
 */
function otherManagerOf({ metadata }: HttpRoute): string | null {
  let newest: ManagedFields | undefined;
  for (const entry of metadata.managedFields ?? []) {
    if (entry.manager === undefined || entry.manager === FIELD_MANAGER) continue;
    if (entry.subresource !== undefined && entry.subresource !== '') continue;
    if (entry.fieldsV1?.['f:spec']?.['f:rules'] === undefined) continue;
    if (newest === undefined || (entry.time ?? '') > (newest.time ?? '')) newest = entry;
  }
  return newest?.manager ?? null;
}

/** The places of the operator's own entries in the route's whole managedFields, lowest first. */
export function ownPlaces({ metadata: { managedFields = [] } }: HttpRoute): readonly number[] {
  return managedFields.flatMap(({ manager, subresource = '', place }, index) =>
    manager === FIELD_MANAGER && subresource === '' ? [place ?? index] : [],
  );
}
