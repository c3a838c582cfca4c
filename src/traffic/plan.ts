// What to write on one route, as a JSON patch (RFC 6902) that touches the pair's weights, the
// operator's annotations or its entries in managedFields, and nothing else. Pure: it reads the
// route that it is given.
import {
  FIELD_MANAGER,
  INCIDENT_ANNOTATION,
  ROLLOUT_ANNOTATION,
  VERDICT_ANNOTATION,
} from '../api/names.ts';
import type { RolloutMark } from '../core/model.ts';
import { sameMark } from '../core/situation.ts';
import { formatIncident, formatMark, readNotes } from './annotations.ts';
import { ownPlaces, pairsOf, servicePair, type HttpRoute, type RoutePair } from './httpRoute.ts';
import type { DesiredTraffic } from './port.ts';
import { loweredTo, raisedTo, type Pair, type PairWeights } from './weights.ts';

/** `add` on a member that exists replaces it. A `test` for null passes where there is nothing. */
export type PatchOperation =
  | { readonly op: 'test'; readonly path: string; readonly value: string | number | null }
  | { readonly op: 'add'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** No operation: the route is as desired. */
export type RoutePatch = readonly PatchOperation[];

/** The text of annotations; undefined takes one off. */
type WantedAnnotations = Readonly<Record<string, string | undefined>>;

/**
 * The patch that makes a route carry and say what is desired.
 *
 * To raise, the patch tests the route's resourceVersion. To lower, it tests the names of the
 * backends it changes and the rollout's mark; where it leaves the canary a share, also the weights
 * it read, and where it writes the verdict `none`, also the verdict. A lower never takes back a
 * rejection of the same rollout.
 */
export function planWeights(
  route: HttpRoute,
  service: string,
  desired: DesiredTraffic,
): RoutePatch {
  const { guard, canaryWeight, mark } = desired;
  const weigh = guard === 'raise' ? raisedTo : loweredTo;
  const pairs = changesOf(route, service, (pair) => weigh(pair, canaryWeight));
  const notes = readNotes(route.metadata.annotations);
  const stays = notes.verdict === 'rejected' && sameMark(notes.mark, mark);
  const verdict = stays ? 'rejected' : desired.verdict;
  const incident = stays ? (desired.incident ?? notes.incident) : desired.incident;
  // The record of a verdict is written once: later ones of the same id tell no more.
  const recorded = incident !== null && notes.incident?.id === incident.id;
  const text = incident === null ? undefined : formatIncident(incident);
  const annotations = annotationChanges(route, {
    [ROLLOUT_ANNOTATION]: formatMark(mark),
    [VERDICT_ANNOTATION]: verdict,
    [INCIDENT_ANNOTATION]: recorded ? route.metadata.annotations?.[INCIDENT_ANNOTATION] : text,
  });
  const changes = [...pairs.flatMap(weightOperations), ...annotations];
  if (changes.length === 0) return [];
  const tests =
    guard === 'raise'
      ? [test('/metadata/resourceVersion', route.metadata.resourceVersion)]
      : [...pairs.flatMap(weightTests), ...markTests(route, verdict === 'none')];
  return [...pairs.flatMap(nameTests), ...tests, ...changes];
}

/** The patch that puts the canary at 0 and takes the annotations off, with the tests of a lower. */
export function planRelease(route: HttpRoute, service: string, uid: string): RoutePatch {
  const { mark } = readNotes(route.metadata.annotations);
  if (mark !== null && mark.uid !== uid) return [];
  const pairs = changesOf(route, service, (pair) => loweredTo(pair, 0));
  const annotations = annotationChanges(route, {
    [ROLLOUT_ANNOTATION]: undefined,
    [VERDICT_ANNOTATION]: undefined,
    [INCIDENT_ANNOTATION]: undefined,
  });
  const changes = [...pairs.flatMap(weightOperations), ...annotations];
  if (changes.length === 0) return [];
  return [...pairs.flatMap(nameTests), ...markTests(route, false), ...changes];
}

/**
 * The patch that takes the operator's own entries out of managedFields, so that nobody who applies
 * the route meets a conflict. The version is tested, since entries have no name but their place.
 * Nothing is done while the canary has weight, nor where the route bears another mark than `mark`.
 */
export function planHandBack(
  route: HttpRoute,
  service: string,
  mark: RolloutMark | null,
): RoutePatch {
  const { mark: found } = readNotes(route.metadata.annotations);
  const isOthers = found !== null && (mark === null || !sameMark(found, mark));
  const carries = pairsOf(route, servicePair(service)).some(({ canaryWeight }) => canaryWeight > 0);
  const places = ownPlaces(route);
  if (isOthers || carries || places.length === 0) return [];
  return [
    test('/metadata/resourceVersion', route.metadata.resourceVersion),
    // From the end, as each removal moves the entries behind it.
    ...places.toReversed().flatMap((place): readonly PatchOperation[] => {
      const path = `/metadata/managedFields/${place}`;
      return [test(`${path}/manager`, FIELD_MANAGER), { op: 'remove', path }];
    }),
  ];
}

/** A pair whose weights change. */
interface PairChange {
  readonly pair: RoutePair;
  readonly weights: PairWeights;
}

function changesOf(
  route: HttpRoute,
  service: string,
  weigh: (pair: Pair) => PairWeights,
): readonly PairChange[] {
  return pairsOf(route, servicePair(service))
    .map((pair) => ({ pair, weights: weigh(pair.weights) }))
    .filter(
      ({ pair, weights }) =>
        weights.stable !== pair.stableWeight || weights.canary !== pair.canaryWeight,
    );
}

/** Both in one patch, always: all weights at 0 in between make Envoy refuse its configuration. */
function weightOperations({ pair, weights }: PairChange): readonly PatchOperation[] {
  return [
    add(`${backendPath(pair, 'stable')}/weight`, weights.stable),
    add(`${backendPath(pair, 'canary')}/weight`, weights.canary),
  ];
}

function nameTests({ pair }: PairChange): readonly PatchOperation[] {
  return [
    test(`${backendPath(pair, 'stable')}/name`, pair.stableRef.name),
    test(`${backendPath(pair, 'canary')}/name`, pair.canaryRef.name),
  ];
}

/** Less than was read may be more than there is by now, unless it is nothing. */
function weightTests({ pair, weights }: PairChange): readonly PatchOperation[] {
  if (weights.canary === 0) return [];
  return [
    test(`${backendPath(pair, 'stable')}/weight`, pair.stableRef.weight ?? null),
    test(`${backendPath(pair, 'canary')}/weight`, pair.canaryRef.weight ?? null),
  ];
}

function backendPath(pair: RoutePair, role: 'stable' | 'canary'): string {
  return `/spec/rules/${pair.rule}/backendRefs/${pair[role]}`;
}

/**
 * The mark, and if asked for the verdict, as read. The API server compares texts as Go would
 * escape them, so one that only somebody else can have written is not compared.
 */
function markTests(route: HttpRoute, verdictToo: boolean): readonly PatchOperation[] {
  const annotations = route.metadata.annotations;
  if (annotations === undefined) return [test('/metadata/annotations', null)];
  const { mark, verdict } = readNotes(annotations);
  const tests: PatchOperation[] = [];
  const pin = (name: string, readable: boolean): void => {
    const text = annotations[name];
    if (readable || text === undefined) tests.push(test(annotationPath(name), text ?? null));
  };
  pin(ROLLOUT_ANNOTATION, mark !== null);
  if (verdictToo) pin(VERDICT_ANNOTATION, verdict !== null);
  return tests;
}

function annotationChanges(route: HttpRoute, wanted: WantedAnnotations): readonly PatchOperation[] {
  const { annotations } = route.metadata;
  if (annotations === undefined) {
    const given = Object.entries(wanted).filter(([, text]) => text !== undefined);
    return given.length === 0 ? [] : [add('/metadata/annotations', Object.fromEntries(given))];
  }
  return Object.entries(wanted).flatMap(([name, text]): readonly PatchOperation[] => {
    if (text === annotations[name]) return [];
    const path = annotationPath(name);
    return [text === undefined ? { op: 'remove', path } : add(path, text)];
  });
}

/** A JSON pointer (RFC 6901): `~` and `/` are escaped. */
function annotationPath(name: string): string {
  return `/metadata/annotations/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function test(path: string, value: string | number | null): PatchOperation {
  return { op: 'test', path, value };
}

function add(path: string, value: unknown): PatchOperation {
  return { op: 'add', path, value };
}
