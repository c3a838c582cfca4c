// One HTTP target with the series of as many revisions as a bench has: requests by code, full
// latency buckets, memory, CPU and post-quantum handshakes of each pod. Its numbers are functions
// of time, so that it keeps nothing but the list of revisions.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A revision with one pod that reports. */
export interface Exported {
  readonly namespace: string;
  readonly pod: string;
  /** Since when, on this machine's clock, so many of its requests fail; null: none do. */
  failingSinceMs: number | null;
}

export interface Exporter {
  /** host:port. */
  readonly address: string;
  /** By namespace/ReplicaSet. */
  readonly revisions: Map<string, Exported>;
  close(): Promise<void>;
}

const boundaries = [
  '0.005',
  '0.01',
  '0.025',
  '0.05',
  '0.1',
  '0.25',
  '0.5',
  '1',
  '2.5',
  '5',
  '10',
  '+Inf',
];
const shares = [0.1, 0.2, 0.4, 0.7, 0.9, 1, 1, 1, 1, 1, 1, 1];
const perSecond = 50;
const failureShare = 0.3;

export async function startExporter(): Promise<Exporter> {
  const revisions = new Map<string, Exported>();
  const beganMs = Date.now();
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    const nowMs = Date.now();
    for (const revision of revisions.values()) {
      response.write(expositionOf(revision, beganMs, nowMs));
    }
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    revisions,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function expositionOf(revision: Exported, beganMs: number, nowMs: number): string {
  const seconds = (nowMs - beganMs) / 1000 + 100;
  const all = perSecond * seconds;
  const failed =
    revision.failingSinceMs === null
      ? 0
      : (Math.max(0, nowMs - revision.failingSinceMs) / 1000) * perSecond * failureShare;
  const labels = `namespace="${revision.namespace}",pod="${revision.pod}"`;
  const buckets = boundaries.map(
    (le, i) =>
      `http_request_duration_seconds_bucket{${labels},le="${le}"} ${all * (shares[i] ?? 1)}\n`,
  );
  return (
    `http_requests_total{${labels},code="200"} ${all - failed}\n` +
    `http_requests_total{${labels},code="500"} ${failed}\n` +
    buckets.join('') +
    `http_request_duration_seconds_sum{${labels}} ${all * 0.05}\n` +
    `http_request_duration_seconds_count{${labels}} ${all}\n` +
    `process_resident_memory_bytes{${labels}} 100000000\n` +
    `process_cpu_seconds_total{${labels}} ${seconds * 0.1}\n` +
    `pqc_handshake_success_total{${labels}} ${Math.floor(seconds)}\n` +
    `pqc_handshake_failure_total{${labels},reason="timeout"} 0\n`
  );
}
