// What systems expose for one pod, by their documented names: forty requests a second, of which one
// in four fails and one in ten takes longer than half a second; 1.5 GB and half a core. Text of
// Prometheus' format at a time; it serves nothing.
import type { ProfileName } from '../../src/sources/port.ts';

export type Exposition = (elapsedSeconds: number) => string;

const perSecond = 40;

function series(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const text = Object.entries(labels).map(([label, of]) => `${label}="${of}"`);
  return `${name}{${text.join(',')}} ${value}`;
}

/** Cumulative buckets: nine in ten requests are at or below the third boundary. */
function histogram(
  name: string,
  labels: Readonly<Record<string, string>>,
  boundaries: readonly [string, string, string, string],
  count: number,
): string[] {
  const shares = [0.5, 0.8, 0.9, 1];
  return [
    `# TYPE ${name} histogram`,
    ...boundaries.map((le, i) =>
      series(`${name}_bucket`, { ...labels, le }, count * (shares[i] ?? 1)),
    ),
    series(`${name}_bucket`, { ...labels, le: '+Inf' }, count),
    series(`${name}_sum`, labels, count * 0.2),
    series(`${name}_count`, labels, count),
  ];
}

function process(labels: Readonly<Record<string, string>>, seconds: number): string[] {
  return [
    '# TYPE process_resident_memory_bytes gauge',
    series('process_resident_memory_bytes', labels, 1.5e9),
    '# TYPE process_cpu_seconds_total counter',
    series('process_cpu_seconds_total', labels, seconds / 2),
  ];
}

function split(
  name: string,
  labels: Readonly<Record<string, string>>,
  label: string,
  [good, bad]: readonly [string, string],
  seconds: number,
): string[] {
  return [
    `# TYPE ${name} counter`,
    series(name, { ...labels, [label]: good }, 0.75 * perSecond * seconds),
    series(name, { ...labels, [label]: bad }, 0.25 * perSecond * seconds),
  ];
}

const seconds = ['0.1', '0.25', '0.5', '1'] as const;
const milliseconds = ['100', '250', '500', '1000'] as const;

function lines(...parts: readonly (readonly string[])[]): string {
  return `${parts.flat().join('\n')}\n`;
}

/** Handshakes that succeed every second, and what else is said of them. */
function handshakes(at: number, fallback: 'gauge' | 'reason' | 'none'): string[] {
  const pod = { namespace: 'mesh', pod: 'shop-b-bbbbb' };
  const failed = fallback === 'reason' ? Math.floor(at) : 0;
  return [
    '# TYPE pqc_handshake_success_total counter',
    series('pqc_handshake_success_total', pod, Math.floor(at)),
    '# TYPE pqc_handshake_failure_total counter',
    series('pqc_handshake_failure_total', { ...pod, reason: 'timeout' }, 0),
    series('pqc_handshake_failure_total', { ...pod, reason: 'fallback' }, failed),
    '# TYPE pqc_fallback_enabled gauge',
    series('pqc_fallback_enabled', pod, fallback === 'gauge' ? 1 : 0),
    '# TYPE mesh_pqc_enabled gauge',
    series('mesh_pqc_enabled', pod, 1),
  ];
}

/**
 * A native histogram with exponential buckets as an OTLP export, in JSON: forty requests a second,
 * of which a share took 0.25 to 1 s, in one bucket, and the others less.
 */
export function exponential(profile: string, share: number, at: number, nowMs: number): object {
  const count = Math.round(at * perSecond);
  const slow = Math.round(count * share);
  const labels = { namespace: 'mesh', pod: 'shop-b-bbbbb', profile };
  const attributes = Object.entries(labels).map(([key, stringValue]) => {
    return { key, value: { stringValue } };
  });
  const point = {
    attributes,
    startTimeUnixNano: `${nowMs - at * 1000}000000`,
    timeUnixNano: `${nowMs}000000`,
    count: `${count}`,
    sum: count * 0.2,
    // Bucket i is from 4^i, which it leaves out, to 4^(i + 1).
    scale: -1,
    zeroCount: '0',
    positive: { offset: -2, bucketCounts: [`${count - slow}`, `${slow}`] },
  };
  const exponentialHistogram = { aggregationTemporality: 2, dataPoints: [point] };
  const metrics = [{ name: 'http_request_duration_seconds', exponentialHistogram }];
  return { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] };
}

/** A mesh that says at every other scrape that it has no PQC. */
export function flickering(): Exposition {
  let scrapes = 0;
  return (at) => {
    const isOff = scrapes++ % 2 === 0;
    return lines(handshakes(at, 'none')).replace(
      /^(mesh_pqc_enabled.*) 1$/m,
      `$1 ${isOff ? 0 : 1}`,
    );
  };
}

/** A fallback to classical cryptography that one series of the x0tta profile alone tells of. */
export const fallbacks: Readonly<Record<string, Exposition>> = {
  'x0tta-gauge': (at) => lines(handshakes(at, 'gauge')),
  'x0tta-reason': (at) => lines(handshakes(at, 'reason')),
};

/** By profile; each for the pod `shop-b-bbbbb` of namespace `mesh`, or for its service. */
export const expositions: Readonly<Record<ProfileName, Exposition>> = {
  http: (at) => {
    const pod = { namespace: 'mesh', pod: 'shop-b-bbbbb' };
    return lines(
      split('http_requests_total', { ...pod, method: 'GET' }, 'code', ['200', '503'], at),
      histogram('http_request_duration_seconds', pod, seconds, perSecond * at),
      process(pod, at),
    );
  },
  x0tta: (at) => {
    const pod = { namespace: 'mesh', pod: 'shop-b-bbbbb' };
    const endpoint = { ...pod, method: 'GET', endpoint: '/' };
    // The application's own label, whose values add up.
    const other = { ...endpoint, endpoint: '/mesh/peers' };
    const requests = 'x0tta6bl4_requests_total';
    const gauge = 'x0tta6bl4_memory_usage_bytes';
    return lines(
      [`# TYPE ${requests} counter`],
      [series(requests, { ...endpoint, status: '200' }, 0.35 * perSecond * at)],
      [series(requests, { ...other, status: '200' }, 0.4 * perSecond * at)],
      [series(requests, { ...other, status: '500' }, 0.25 * perSecond * at)],
      histogram('x0tta6bl4_request_duration_seconds', endpoint, seconds, perSecond * at),
      [`# TYPE ${gauge} gauge`],
      [series(gauge, { ...pod, component: 'mesh' }, 1e9)],
      [series(gauge, { ...pod, component: 'pqc' }, 0.5e9)],
      process(pod, at),
      ['# TYPE pqc_handshake_success_total counter'],
      [series('pqc_handshake_success_total', pod, Math.floor(at))],
      ['# TYPE pqc_handshake_failure_total counter'],
      [series('pqc_handshake_failure_total', { ...pod, reason: 'timeout' }, Math.floor(at))],
      ['# TYPE pqc_fallback_enabled gauge', series('pqc_fallback_enabled', pod, 0)],
      ['# TYPE mesh_pqc_enabled gauge', series('mesh_pqc_enabled', pod, 0)],
    );
  },
  otel: (at) => {
    const pod = { k8s_namespace_name: 'mesh', k8s_pod_name: 'shop-b-bbbbb' };
    const name = 'http_server_request_duration_seconds';
    const labels = { ...pod, http_request_method: 'GET', http_route: '/' };
    const good = { ...labels, http_response_status_code: '200' };
    const bad = { ...labels, http_response_status_code: '500' };
    const [type, ...ofGood] = histogram(name, good, seconds, 0.75 * perSecond * at);
    return lines(
      [type ?? ''],
      ofGood,
      histogram(name, bad, seconds, 0.25 * perSecond * at).slice(1),
      ['# TYPE process_memory_usage_bytes gauge', series('process_memory_usage_bytes', pod, 1.5e9)],
      ['# TYPE process_cpu_time_seconds_total counter'],
      [series('process_cpu_time_seconds_total', { ...pod, cpu_mode: 'user' }, 0.3 * at)],
      [series('process_cpu_time_seconds_total', { ...pod, cpu_mode: 'system' }, 0.2 * at)],
    );
  },
  istio: (at) => {
    const pod = { namespace: 'mesh', pod: 'shop-b-bbbbb' };
    const of = { ...pod, reporter: 'destination', destination_workload: 'shop' };
    const asClient = { ...of, reporter: 'source', response_code: '503' };
    return lines(
      split('istio_requests_total', of, 'response_code', ['200', '503'], at),
      [series('istio_requests_total', asClient, 1_000 * at)],
      histogram('istio_request_duration_milliseconds', of, milliseconds, perSecond * at),
      process(pod, at),
    );
  },
  linkerd: (at) => {
    const pod = { namespace: 'mesh', pod: 'shop-b-bbbbb' };
    const of = { ...pod, direction: 'inbound', target_port: '8080' };
    const outbound = { ...of, direction: 'outbound', classification: 'failure' };
    return lines(
      split('response_total', of, 'classification', ['success', 'failure'], at),
      [series('response_total', outbound, 1_000 * at)],
      histogram('response_latency_ms', of, milliseconds, perSecond * at),
      process(pod, at),
    );
  },
  traefik: (at) => {
    const service = { service: 'mesh-shop-canary-http-8080@kubernetesgateway', protocol: 'http' };
    const of = { ...service, method: 'GET' };
    const stable = { ...of, service: 'mesh-shop-stable-http-8080@kubernetesgateway', code: '500' };
    return lines(
      split('traefik_service_requests_total', of, 'code', ['200', '502'], at),
      [series('traefik_service_requests_total', stable, 1_000 * at)],
      histogram('traefik_service_request_duration_seconds', of, seconds, perSecond * at),
      process({ namespace: 'mesh', pod: 'shop-b-bbbbb' }, at),
    );
  },
};
