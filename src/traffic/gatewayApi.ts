// Traffic by the Gateway API: reads HTTPRoutes and GRPCRoutes from stores or live, and carries the
// plans of plan.ts out. It retries nothing but what a failed test calls for, and decides no weight.
import { FIELD_MANAGER } from '../api/names.ts';
import type { RouteKind, RouteSpec } from '../api/schema.ts';
import type { RouteView } from '../core/model.ts';
import { carriedBy, sameMark } from '../core/situation.ts';
import { failureReason, isConflict, isNotFound } from '../kube/errors.ts';
import { keyOf, resourcePath, routeResources } from '../kube/resources.ts';
import type { KubeClient } from '../kube/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { readNotes } from './annotations.ts';
import {
  narrownessOf,
  ownPlaces,
  pairsOf,
  servicePair,
  viewOf,
  type HttpRoute,
} from './httpRoute.ts';
import { planHandBack, planRelease, planWeights, type RoutePatch } from './plan.ts';
import type {
  DesiredTraffic,
  ReadBack,
  RouteOutcome,
  TrafficProvider,
  TrafficTarget,
} from './port.ts';

/** What is needed of the reflected routes of a kind; a Store fits. */
export interface RouteStore {
  get(key: string): HttpRoute | undefined;
  applyOwnWrite(route: HttpRoute): void;
}

export interface GatewayApiOptions {
  readonly client: Pick<KubeClient, 'request'>;
  readonly stores: Readonly<Record<RouteKind, RouteStore>>;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** New plans that a write may need in one pass, after tests that failed. */
const MAX_REPLANS = 3;

export function createGatewayApi(options: GatewayApiOptions): TrafficProvider {
  return new GatewayApi(options);
}

type Plan = (route: HttpRoute) => RoutePatch;

class GatewayApi implements TrafficProvider {
  readonly #client: Pick<KubeClient, 'request'>;
  readonly #stores: GatewayApiOptions['stores'];
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor({ client, stores, clock }: GatewayApiOptions) {
    this.#client = client;
    this.#stores = stores;
    this.#clock = clock;
  }

  read(target: TrafficTarget): readonly (RouteView | null)[] {
    return target.routes.map((named) => viewOrNull(this.#stored(target, named), target));
  }

  carryOut(
    target: TrafficTarget,
    views: readonly (RouteView | null)[],
    desired: DesiredTraffic,
  ): Promise<readonly RouteOutcome[]> {
    const plan: Plan = (route) => planWeights(route, target.service, desired);
    return Promise.all(
      target.routes.map((named, index) =>
        desired.guard === 'raise'
          ? this.#raise(target, named, views[index] ?? null, desired, plan)
          : this.#insist(target, named, plan),
      ),
    );
  }

  release(target: TrafficTarget): Promise<readonly RouteOutcome[]> {
    const plan: Plan = (route) => planRelease(route, target.service, target.uid);
    return Promise.all(target.routes.map((named) => this.#insist(target, named, plan)));
  }

  handBack(
    target: TrafficTarget,
    views: readonly (RouteView | null)[],
  ): Promise<readonly RouteOutcome[]> {
    return Promise.all(
      target.routes.map(async (named, index) => {
        const view = views[index] ?? null;
        if (view === null) return this.#done(named, false);
        const plan: Plan = (route) => planHandBack(route, target.service, view.mark);
        return this.#unlessStillOwned(target, named, await this.#insist(target, named, plan));
      }),
    );
  }

  async readBack(target: TrafficTarget): Promise<ReadBack> {
    const views = await Promise.all(
      target.routes.map(async (named) => viewOrNull(await this.#live(target, named), target)),
    );
    const carrying = views.filter((view) => view !== null && carriedBy(view) > 0);
    const told = carrying.map((view) => {
      const share = view === null ? 0 : carriedBy(view);
      return `${view?.kind} ${view?.name} gives ${share} % to ${target.service}-canary`;
    });
    return { atZero: carrying.length === 0, message: told.join('; ') };
  }

  async #raise(
    target: TrafficTarget,
    named: RouteSpec,
    view: RouteView | null,
    desired: DesiredTraffic,
    plan: Plan,
  ): Promise<RouteOutcome> {
    const { name } = named;
    const route = this.#stored(target, named);
    if (route === undefined || view === null) return { kind: 'gone', route: name };
    const objection = objectionToRaise(route, view, target, desired);
    if (objection !== null) return { kind: 'conflict', route: name, message: objection };
    try {
      const services = servicePair(target.service);
      const narrow = narrownessOf(pairsOf(route, services), services);
      if (narrow !== '') throw new Error(narrow);
      return await this.#carryOutOnce(target, named, route, plan);
    } catch (error) {
      return outcomeOf(error, named);
    }
  }

  /**
   * Starts from the newest that is known, and answers a conflict by a live GET and a new plan. A
   * route that the store lacks is asked for: it may be there by now, with weight for the canary.
   */
  async #insist(target: TrafficTarget, named: RouteSpec, plan: Plan): Promise<RouteOutcome> {
    try {
      let route = this.#stored(target, named) ?? (await this.#live(target, named));
      for (let replans = 0; route !== undefined; replans++) {
        try {
          return await this.#carryOutOnce(target, named, route, plan);
        } catch (error) {
          if (!isConflict(error) || replans === MAX_REPLANS) throw error;
        }
        route = await this.#live(target, named);
      }
      return { kind: 'gone', route: named.name };
    } catch (error) {
      return outcomeOf(error, named);
    }
  }

  async #carryOutOnce(
    target: TrafficTarget,
    named: RouteSpec,
    route: HttpRoute,
    plan: Plan,
  ): Promise<RouteOutcome> {
    const patch = plan(route);
    if (patch.length === 0) return this.#done(named, false);
    const { kind, name } = named;
    const written = await this.#client.request<HttpRoute>({
      method: 'PATCH',
      path: resourcePath(routeResources[kind], target.namespace, name),
      query: { fieldManager: FIELD_MANAGER },
      patch: 'json',
      body: patch,
    });
    this.#stores[kind].applyOwnWrite(written);
    return this.#done(named, true);
  }

  /**
   * An entry stays where it is the only one, and comes back where a webhook changes the route in
   * our patch: to try that at once would never end.
   */
  #unlessStillOwned(target: TrafficTarget, named: RouteSpec, outcome: RouteOutcome): RouteOutcome {
    const route = this.#stored(target, named);
    const isWritten = outcome.kind === 'done' && outcome.changed;
    if (!isWritten || route === undefined || ownPlaces(route).length === 0) return outcome;
    const why = `managedFields name ${FIELD_MANAGER} again once its entry was taken out`;
    return outcomeOf(new Error(why), named);
  }

  #done({ name }: RouteSpec, changed: boolean): RouteOutcome {
    return { kind: 'done', route: name, changed, atMs: this.#clock.nowMs() };
  }

  #stored(target: TrafficTarget, { kind, name }: RouteSpec): HttpRoute | undefined {
    return this.#stores[kind].get(keyOf(target.namespace, name));
  }

  /** Undefined when there is no such route. */
  async #live(target: TrafficTarget, { kind, name }: RouteSpec): Promise<HttpRoute | undefined> {
    const path = resourcePath(routeResources[kind], target.namespace, name);
    try {
      const route = await this.#client.request<HttpRoute>({ method: 'GET', path });
      this.#stores[kind].applyOwnWrite(route);
      return route;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }
}

function viewOrNull(route: HttpRoute | undefined, target: TrafficTarget): RouteView | null {
  return route === undefined ? null : viewOf(route, servicePair(target.service));
}

/** Why the route may not get weight now; null when it may. */
function objectionToRaise(
  route: HttpRoute,
  view: RouteView,
  target: TrafficTarget,
  { mark }: DesiredTraffic,
): string | null {
  const { resourceVersion } = route.metadata;
  const what = `${view.kind} ${view.name}`;
  if (resourceVersion !== view.resourceVersion) {
    return `${what} changed since the decision`;
  }
  const notes = readNotes(route.metadata.annotations);
  if (notes.verdict === 'rejected' && sameMark(notes.mark, mark)) {
    return `${what} says that attempt ${mark.attempt} at ${mark.revision} was rejected`;
  }
  if (pairsOf(route, servicePair(target.service)).length === 0) {
    return `no rule of ${what} holds both services of ${target.service}`;
  }
  return null;
}

function outcomeOf(error: unknown, { kind, name }: RouteSpec): RouteOutcome {
  const what = `${kind} ${name}`;
  if (isNotFound(error)) return { kind: 'gone', route: name };
  if (isConflict(error)) {
    const message = `${what} changed at the same time: ${error.message}`;
    return { kind: 'conflict', route: name, message };
  }
  const cause = error instanceof Error ? error : new Error(String(error));
  return {
    kind: 'failed',
    route: name,
    reason: failureReason(error),
    error: new Error(`${what} could not be written: ${cause.message}`, { cause }),
  };
}
