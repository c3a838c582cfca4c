// HTTPRoutes, marks and incidents for the tests of the traffic room.
import type { Incident } from '../../src/api/schema.ts';
import type { RolloutMark } from '../../src/core/model.ts';
import type { BackendRef, HttpRoute } from '../../src/traffic/httpRoute.ts';
import type { DesiredTraffic, TrafficTarget } from '../../src/traffic/port.ts';

export const ROLLOUT = 'x0tta.io/rollout';
export const VERDICT = 'x0tta.io/verdict';
export const INCIDENT = 'x0tta.io/incident';

export const target: TrafficTarget = {
  uid: '7d3c1f6e-0000-4000-8000-000000000001',
  namespace: 'mesh',
  service: 'web',
  routes: [{ kind: 'HTTPRoute', name: 'web' }],
};

export const mark: RolloutMark = { uid: target.uid, revision: 'bcdfghjklm', attempt: 1 };
export const markText = `${target.uid}/bcdfghjklm/1`;

export const incident: Incident = {
  id: 'bcdfghjklm-1',
  alert: 'HIGH_ERROR_RATE',
  severity: 'Critical',
  revision: 'bcdfghjklm',
  signal: 'errorRate',
  value: '12%',
  detectedAt: '2026-01-31T12:00:00.000Z',
  summary: 'errorRate of revision bcdfghjklm was 12%.',
};

export function backend(name: string, weight?: number): BackendRef {
  const ref = { group: '', kind: 'Service', name, port: 8080 };
  return weight === undefined ? ref : { ...ref, weight };
}

/** A rule that holds the pair, and other backends after it. */
export function splitRule(stable?: number, canary?: number, ...others: readonly BackendRef[]) {
  return { backendRefs: [backend('web-stable', stable), backend('web-canary', canary), ...others] };
}

export function routeOf(
  rules: HttpRoute['spec']['rules'] & object,
  annotations?: Readonly<Record<string, string>>,
  name = 'web',
): HttpRoute {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: {
      name,
      namespace: 'mesh',
      uid: `uid-${name}`,
      resourceVersion: '7',
      generation: 1,
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: { rules },
  };
}

export function raiseTo(
  canaryWeight: number,
  change: Partial<DesiredTraffic> = {},
): DesiredTraffic {
  return { guard: 'raise', canaryWeight, mark, verdict: 'none', incident: null, ...change };
}

export function lowerTo(
  canaryWeight: number,
  change: Partial<DesiredTraffic> = {},
): DesiredTraffic {
  return { guard: 'lower', canaryWeight, mark, verdict: 'rejected', incident, ...change };
}
