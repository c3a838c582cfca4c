// When the routes' fields go back to their owners: an entry of the operator in managedFields makes
// who applies a route without force fail, so it goes as soon as the object is at rest.
import type { Housekeeping } from './housekeeping.ts';
import type { Situation } from './situation.ts';

/** For a pass in which nothing else is to write. */
export function handBack(s: Situation): Housekeeping {
  const { routes, routeOwners, nowMs, handBackNotBeforeMs } = s.obs;
  const owns = routes.some((route, i) => route?.fieldsOwned === true && routeOwners[i] === null);
  if (!owns || !isAtRest(s)) return { commands: [], lookAgainAtMs: null };
  if (nowMs < handBackNotBeforeMs) return { commands: [], lookAgainAtMs: handBackNotBeforeMs };
  return { commands: [{ kind: 'handBackRoutes' }], lookAgainAtMs: null };
}

/** No canary is on its way, whatever holds it up, none has weight, and all of them are drained. */
function isAtRest({ obs, stable, canaryActive, inCanaryRole, carried }: Situation): boolean {
  if (stable === null || canaryActive || inCanaryRole !== null || carried > 0) return false;
  return obs.revisions.every((view) => view === stable || view.deleting || view.replicas === 0);
}
