// The names under which systems export what the built-in signals are made of. Data only; the first
// name that a revision has series of is the one that counts for it.

import type { PodLabels, ProfileName } from './port.ts';

/** A counter of requests whose label says how each one ended. */
export interface RequestCounter {
  readonly metric: string;
  /** Label of the status: a code (`503`), its class (`5xx`), or `success` and `failure`. */
  readonly label: string;
  readonly matchers: readonly string[];
}

/** A latency histogram: classic with the suffix `_bucket`, native without. */
export interface LatencyHistogram {
  readonly metric: string;
  /** 1 where its boundaries are seconds, 0.001 where they are milliseconds. */
  readonly secondsPerUnit: number;
  readonly matchers: readonly string[];
}

export interface Profile {
  readonly requests: readonly RequestCounter[];
  readonly latency: readonly LatencyHistogram[];
  /** Gauges in bytes; of several series of a pod the sum counts. */
  readonly memory: readonly string[];
  /** Counters of seconds of CPU time. */
  readonly cpu: readonly string[];
  /** Labels that name a series' namespace and pod, where the server's settings do not. */
  readonly labels: PodLabels;
  /**
   * Set where requests and latency name no pods but the service that took them: the label, which
   * begins with `<namespace>-<service>-`.
   */
  readonly serviceLabel?: string;
}

const podLabels: PodLabels = { namespace: 'namespace', pod: 'pod' };
const processMemory = 'process_resident_memory_bytes';
const processCpu = 'process_cpu_seconds_total';

const http: Profile = {
  requests: [
    { metric: 'http_requests_total', label: 'code', matchers: ['code!=""'] },
    { metric: 'http_requests_total', label: 'status', matchers: ['code=""'] },
  ],
  latency: [{ metric: 'http_request_duration_seconds', secondsPerUnit: 1, matchers: [] }],
  memory: [processMemory],
  cpu: [processCpu],
  labels: podLabels,
};

/** By the name that a server's `profile` has in the operator's configuration. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  http,
  /** The public repository x0tta6bl4-ai/x0tta6bl4; some of its builds export the names of http. */
  x0tta: {
    requests: [
      { metric: 'x0tta6bl4_requests_total', label: 'status', matchers: [] },
      ...http.requests,
    ],
    latency: [
      { metric: 'x0tta6bl4_request_duration_seconds', secondsPerUnit: 1, matchers: [] },
      ...http.latency,
    ],
    memory: ['x0tta6bl4_memory_usage_bytes', processMemory],
    cpu: [processCpu],
    labels: podLabels,
  },
  /** OpenTelemetry's semantic conventions of HTTP servers, as Prometheus names them. */
  otel: {
    requests: [
      {
        metric: 'http_server_request_duration_seconds_count',
        label: 'http_response_status_code',
        matchers: [],
      },
    ],
    latency: [{ metric: 'http_server_request_duration_seconds', secondsPerUnit: 1, matchers: [] }],
    memory: ['process_memory_usage_bytes', processMemory],
    cpu: ['process_cpu_time_seconds_total', processCpu],
    labels: { namespace: 'k8s_namespace_name', pod: 'k8s_pod_name' },
  },
  /** The sidecars' own reports as servers, scraped from each pod. */
  istio: {
    requests: [
      {
        metric: 'istio_requests_total',
        label: 'response_code',
        matchers: ['reporter="destination"'],
      },
    ],
    latency: [
      {
        metric: 'istio_request_duration_milliseconds',
        secondsPerUnit: 0.001,
        matchers: ['reporter="destination"'],
      },
    ],
    memory: [processMemory],
    cpu: [processCpu],
    labels: podLabels,
  },
  linkerd: {
    requests: [
      { metric: 'response_total', label: 'classification', matchers: ['direction="inbound"'] },
    ],
    latency: [
      { metric: 'response_latency_ms', secondsPerUnit: 0.001, matchers: ['direction="inbound"'] },
    ],
    memory: [processMemory],
    cpu: [processCpu],
    labels: podLabels,
  },
  /** The gateway counts by service: -stable and -canary tell the revisions apart. */
  traefik: {
    requests: [{ metric: 'traefik_service_requests_total', label: 'code', matchers: [] }],
    latency: [
      { metric: 'traefik_service_request_duration_seconds', secondsPerUnit: 1, matchers: [] },
    ],
    memory: [processMemory],
    cpu: [processCpu],
    labels: podLabels,
    serviceLabel: 'service',
  },
};

export const PROFILE_NAMES = Object.keys(PROFILES) as readonly ProfileName[];

/** The names of the post-quantum handshake's metrics are the same in every profile. */
export const PQC = {
  failures: 'pqc_handshake_failure_total',
  successes: 'pqc_handshake_success_total',
  fallbackEnabled: 'pqc_fallback_enabled',
  meshEnabled: 'mesh_pqc_enabled',
} as const;
