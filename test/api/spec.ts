// A valid spec with its defaults filled in, for tests that change one field of it. No test is in
// here.

import { specSchema } from '../../src/api/spec.ts';
import type { SignalSpec, Spec, SpecInput } from '../../src/api/schema.ts';

/** Two steps and no signal listed, with the given fields in place of its own. */
export function specWith(fields: Partial<SpecInput> = {}): Spec {
  const input: SpecInput = {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: {} },
    traffic: { service: 'web', gatewayAPI: { routes: [{ kind: 'HTTPRoute', name: 'web' }] } },
    canary: {
      steps: [
        { weight: 10, hold: '2m' },
        { weight: 50, hold: '5m' },
      ],
    },
    ...fields,
  };
  return specSchema.parse(input);
}

/** The same with the given signals. */
export function specWithSignals(...signals: readonly SignalSpec[]): Spec {
  return specWith({ signals });
}
