// What the tests of core begin with: a signal, a spec with short holds, and a canary in traffic.
import { expect } from 'chai';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { evidenceOf } from './fakeCluster.ts';
import type { FakeCluster } from './fakeCluster.ts';

export const errorRate: ResolvedSignal = {
  name: 'errorRate',
  alert: 'HIGH_ERROR_RATE',
  kind: 'errorRate',
  unit: 'ratio',
  direction: 'above',
  warning: 0.01,
  critical: 0.05,
  rollback: 0.1,
  forSeconds: 10,
  clearSeconds: 0,
  scale: 1,
  minRequests: 50,
  noData: 'Hold',
  windowSeconds: null,
  query: null,
  absentIsZero: false,
  needed: true,
};

export const spec = {
  replicas: 4,
  canary: {
    steps: [
      { weight: 20, hold: '10s' },
      { weight: 50, hold: '10s' },
    ],
    drainDelay: '5s',
  },
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '6s' }, minRequests: 20 },
    { name: 'latencyP95', rollback: { above: '500ms', for: '6s' }, minRequests: 20 },
    { name: 'availability', rollback: { below: '0.01%', for: '6s' } },
  ],
} as const;

/** A canary of revision b at 20 %, some seconds into its hold. */
export function canaryInTraffic(cluster: FakeCluster, seconds = 8): void {
  cluster.rollOut('b');
  expect(cluster.route.canaryWeight).to.equal(20);
  cluster.nowMs += seconds * 1000;
}

/** The canary has had this error ratio for so many seconds. */
export function breaching(cluster: FakeCluster, seconds: number, ratio = 0.3): void {
  cluster.evidence = evidenceOf(
    cluster.nowMs,
    Array.from({ length: seconds + 1 }, () => ratio),
  );
}

/** Seconds of healthy evidence, with all the passes that they bring. */
export function healthyFor(cluster: FakeCluster, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    cluster.nowMs += 1000;
    breaching(cluster, 60, 0);
    cluster.settle();
  }
}

/** A person orders a retry, whose id is `again`. */
export function orderRetry(cluster: FakeCluster): void {
  cluster.action = { kind: 'action', action: { verb: 'retry', id: 'again', revision: null } };
}
