// The port of the traffic room: how the routes of one object are read, moved, released and read
// back. Shapes only; which share the canary gets, and when, is decided in core.
import type { RouteSpec } from '../api/schema.ts';
import type { Command, RouteView, TimeMs } from '../core/model.ts';

/** Whose traffic it is: the object's UID, its services' stem and the routes of its spec. */
export interface TrafficTarget {
  readonly uid: string;
  readonly namespace: string;
  /** The services in the routes are `<service>-stable` and `<service>-canary`. */
  readonly service: string;
  readonly routes: readonly RouteSpec[];
}

/** What the routes shall carry and say; a `setWeights` command fits. */
export type DesiredTraffic = Omit<Extract<Command, { readonly kind: 'setWeights' }>, 'kind'>;

/** What became of one route. */
export type RouteOutcome =
  /** It is as desired. `atMs`: when the write was acknowledged, or that there was none to do. */
  | {
      readonly kind: 'done';
      readonly route: string;
      readonly changed: boolean;
      readonly atMs: TimeMs;
    }
  /** It does not exist: nothing is left to take away, and nothing can be given. */
  | { readonly kind: 'gone'; readonly route: string }
  /** It is not as the decision assumed: look again, decide again. */
  | { readonly kind: 'conflict'; readonly route: string; readonly message: string }
  /** `reason` is one word, as of a failed write in kube/port.ts. */
  | {
      readonly kind: 'failed';
      readonly route: string;
      readonly reason: string;
      readonly error: Error;
    };

/** What the API server says about all routes, asked anew. */
export interface ReadBack {
  /** No route gives the canary any weight. Missing routes give none. */
  readonly atZero: boolean;
  /** Which routes still do, and how much; '' when none does. */
  readonly message: string;
}

/** A kind of router. Lists are in the order of `target.routes`; null is a route that is missing. */
export interface TrafficProvider {
  /** As last seen; asks nobody. */
  read(target: TrafficTarget): readonly (RouteView | null)[];

  /**
   * Brings all routes to what is desired, side by side; those that are so already are left alone.
   * Never rejects.
   *
   * `raise` writes a route only in the version of its view in `views`, and never for a rollout that
   * the route calls rejected; what differs is a conflict at once. It fails where a rule has other
   * backends and too small a sum to give shares. `lower` starts from the newest
   * that is known, answers a conflict by a live GET and a new plan, up to three times, and never
   * leaves a route with more weight for the canary than it found.
   */
  carryOut(
    target: TrafficTarget,
    views: readonly (RouteView | null)[],
    desired: DesiredTraffic,
  ): Promise<readonly RouteOutcome[]>;

  /**
   * Puts the canary at 0 on all routes and takes the operator's annotations off, as `lower` does. A
   * route that carries another object's rollout is left as it is. Never rejects.
   */
  release(target: TrafficTarget): Promise<readonly RouteOutcome[]>;

  /**
   * Takes the operator's own entry out of the managedFields of each route that has a view in
   * `views`, bears that view's mark or none, and gives the canary no weight; the others are left
   * alone. Answers a conflict as `lower` does. Never rejects.
   */
  handBack(
    target: TrafficTarget,
    views: readonly (RouteView | null)[],
  ): Promise<readonly RouteOutcome[]>;

  /** Asks the API server; the next `read` is at least as new. Rejects when one GET fails. */
  readBack(target: TrafficTarget): Promise<ReadBack>;
}
