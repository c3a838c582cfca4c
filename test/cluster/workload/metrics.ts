// The sample workload's Prometheus metrics, by the names of the profile `http` and of the PQC
// signals. It holds counters and reads gauges; it serves nothing.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { Behaviour } from './behaviour.ts';

/** The reason that injected handshake failures carry. */
export const HANDSHAKE_FAILURE_REASON = 'verification';

/** The metrics of one pod. */
export interface Metrics {
  /** Counts one answered request. */
  readonly answered: (method: string, code: number, durationSeconds: number) => void;
  /** Counts one handshake that succeeded. */
  readonly shookHands: () => void;
  /** The exposition text. */
  readonly text: () => Promise<string>;
  /** Its content type. */
  readonly contentType: string;
}

/** Creates the metrics of a pod; gauges and failures follow `behaviour`. */
export function createMetrics(behaviour: Behaviour, peersCount: number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests answered.',
    labelNames: ['code', 'method'],
    registers,
  });
  const duration = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from a request to its answer.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
    registers,
  });
  const successes = new Counter({
    name: 'pqc_handshake_success_total',
    help: 'Post-quantum handshakes that succeeded.',
    registers,
  });
  const gauge = (name: string, help: string, value: () => number): void => {
    const created = new Gauge({
      name,
      help,
      registers,
      collect: () => {
        created.set(value());
      },
    });
  };
  gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  gauge('pqc_fallback_enabled', 'Whether classical cryptography is in use.', () =>
    behaviour.settings.pqcFallback ? 1 : 0,
  );
  gauge('mesh_pqc_enabled', 'Whether the mesh uses post-quantum cryptography.', () =>
    behaviour.settings.pqcFallback ? 0 : 1,
  );
  gauge('mesh_peers_count', 'Peers in the mesh.', () => peersCount);
  registerHandshakeFailures(registry, behaviour);
  return {
    answered: (method, code, durationSeconds) => {
      requests.inc({ code: String(code), method });
      duration.observe(durationSeconds);
    },
    shookHands: () => {
      successes.inc();
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** Like a real application, the pod exposes no failure series before its first failure. */
function registerHandshakeFailures(registry: Registry, behaviour: Behaviour): void {
  let counted = 0;
  const failures = new Counter({
    name: 'pqc_handshake_failure_total',
    help: 'Post-quantum handshakes that failed.',
    labelNames: ['reason'],
    registers: [registry],
    collect: () => {
      const total = behaviour.handshakeFailures();
      if (total > counted) failures.inc({ reason: HANDSHAKE_FAILURE_REASON }, total - counted);
      counted = total;
    },
  });
}
