// The bad versions that the demo can show, each with what makes it bad, the limits that this is
// judged by and the alert that must come of it. It runs nothing.
import type { Incident } from '../../src/api/schema.ts';

/** A pod template as far as a bad version changes it. */
interface Template {
  readonly spec: { readonly containers: { image: string; imagePullPolicy?: string }[] };
}

export interface BadVersion {
  /** What happens, for the demo's headline. */
  readonly title: string;
  /** Alert of the runbook for which it must be rolled back. */
  readonly alert: string;
  /** Settings of the sample workload. */
  readonly env: Readonly<Record<string, string>>;
  /** Signals besides those of every demo. */
  readonly signals: readonly object[];
  /** What else is wrong with the template. */
  readonly spoil: (template: Template) => void;
}

const plain = { env: {}, signals: [], spoil: () => undefined };

/** By the name that V2 has on the command line. */
export const badVersions: Readonly<Record<string, BadVersion>> = {
  /** Good for long enough to get its weight and be believed, then a third of its answers fail. */
  errors: {
    ...plain,
    title: 'v2: good for 15 s, then 30 % of it fails',
    alert: 'HIGH_ERROR_RATE',
    env: { ERROR_RATIO: '0.3', ERROR_AFTER_SECONDS: '15' },
  },
  latency: {
    ...plain,
    title: 'v2: every answer takes 0.9 s',
    alert: 'HIGH_LATENCY',
    env: { LATENCY_MS: '900' },
  },
  memory: {
    ...plain,
    title: 'v2: grows by 10 MB a second',
    alert: 'MEMORY_EXHAUSTION',
    env: { MEMORY_MB_PER_SECOND: '10', MEMORY_MAX_MB: '90' },
    signals: [{ name: 'memory', rollback: { above: '120M', for: '10s' } }],
  },
  pqc: {
    ...plain,
    title: 'v2: a post-quantum handshake fails every two seconds',
    alert: 'PQC_HANDSHAKE_FAILURE',
    env: { PQC_FAILURES_PER_SECOND: '0.5' },
  },
  crash: {
    ...plain,
    title: 'v2: its process ends every 8 s',
    alert: 'SERVICE_DOWN',
    env: { CRASH_AFTER_SECONDS: '8' },
  },
  image: {
    ...plain,
    title: 'v2: an image that cannot be pulled',
    alert: 'SERVICE_DOWN',
    spoil: ({ spec }) => {
      for (const container of spec.containers) {
        container.image = '127.0.0.1:9/none:1';
        container.imagePullPolicy = 'IfNotPresent';
      }
    },
  },
};

/** @throws Error that lists the names, when there is no such version. */
export function badVersion(name: string): BadVersion {
  const found = Object.hasOwn(badVersions, name) ? badVersions[name] : undefined;
  if (found !== undefined) return found;
  throw new Error(`V2=${name} is none of ${Object.keys(badVersions).join(', ')}`);
}

/** @throws Error naming both alerts, when the rollback came for another one than the version's. */
export function expectItsAlert(bad: BadVersion, { alert, summary }: Incident): void {
  if (alert === bad.alert) return;
  throw new Error(
    `${bad.title}: it stands for ${bad.alert}, but the rollback came for ${alert}: ${summary}`,
  );
}
