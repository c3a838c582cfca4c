// A poller of one metric server, the default one, for tests that fake that server.
import type { Clock } from '../../src/runtime/clock.ts';
import { createPoller } from '../../src/sources/poller.ts';
import type { Poller, PollerOptions } from '../../src/sources/poller.ts';
import type { MetricSource, ServerSettings } from '../../src/sources/port.ts';
import { serverSettings } from './settings.ts';

/** How often it asks, unless a test says otherwise. */
export const pollMs = 5_000;

interface More extends Partial<Pick<PollerOptions, 'pollIntervalMs' | 'log'>> {
  readonly settings?: ServerSettings;
}

export function pollerOf(
  source: MetricSource,
  clock: Clock,
  { settings = serverSettings, ...more }: More = {},
): Poller {
  return createPoller({
    servers: new Map([['main', { source, settings }]]),
    defaultServer: 'main',
    pollIntervalMs: pollMs,
    clock,
    log: () => undefined,
    ...more,
  });
}
