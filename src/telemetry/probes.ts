// What stands under the operator's paths: /healthz and /readyz for the kubelet, /metrics for
// Prometheus. It judges nothing: what is not ready, and what the metrics are, it asks for.
import type { Clock } from '../runtime/clock.ts';
import { plain } from './listener.ts';
import type { ListenerOptions } from './listener.ts';
import type { Exposition } from './metrics.ts';

type Paths = ListenerOptions['paths'];

/** For so long one exposition serves all who ask, so that scrapes cost the same however many. */
const KEPT_MS = 1_000;

/** `ready` returns what is not ready, in words; nothing when the operator is. */
export function probePaths(ready: () => readonly string[]): Paths {
  return new Map([
    // Its answer shows that the event loop turns; what is missing elsewhere no restart mends.
    ['/healthz', () => plain(200, 'ok')],
    [
      '/readyz',
      () => {
        const unready = ready();
        if (unready.length === 0) return plain(200, 'ok');
        return plain(503, `not ready: ${unready.join(', ')}`);
      },
    ],
  ]);
}

/** One exposition is shared by all that come while it is made, and within a second of its start. */
export function metricsPaths(read: () => Promise<Exposition>, clock: Clock): Paths {
  let kept: { readonly exposition: Promise<Exposition>; untilMs: number } | undefined;
  const share = (): Promise<Exposition> => {
    const nowMs = clock.monotonicMs();
    if (kept !== undefined && nowMs < kept.untilMs) return kept.exposition;
    const entry = { exposition: read(), untilMs: Infinity };
    kept = entry;
    entry.exposition.then(
      () => (entry.untilMs = nowMs + KEPT_MS),
      () => (entry.untilMs = nowMs),
    );
    return entry.exposition;
  };
  return new Map([['/metrics', async () => ({ status: 200, ...(await share()) })]]);
}
