// A metric server's settings and a canary to look at, for tests that fake the server.
import type { EvidenceTarget } from '../../src/core/evidence.ts';
import type { ServerSettings } from '../../src/sources/port.ts';

export const serverSettings: ServerSettings = {
  name: 'main',
  url: 'http://prometheus.test',
  scrapeIntervalMs: 1_000,
  scrapeIntervalIsAssumed: false,
  lagMs: 1_000,
  timeoutMs: 2_000,
  profile: 'http',
  auth: null,
  headers: {},
  tls: { caFile: null, certFile: null, keyFile: null },
  labels: {},
  matchers: {},
};

export const evidenceTarget: EvidenceTarget = {
  key: 'mesh/shop',
  namespace: 'mesh',
  server: null,
  canaryReplicaSet: 'shop-b',
  stableReplicaSet: 'shop-a',
  service: 'shop',
  canaryPods: [{ name: 'shop-b-bbbbb', readySinceMs: 0 }],
  stablePods: [],
  attemptStartMs: 0,
  stepStartMs: 0,
  stepHoldSeconds: 600,
  awaitsApproval: false,
};
