// Watches the canaries of the whole fleet: a few instant queries a poll for all of them together,
// range queries for those in breach or at the end of a hold. It judges only to know when to look.
import type { RevisionEvidence } from '../core/evidence.ts';
import type { Problem } from '../core/model.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { EvidencePort, InterestListener, MetricSource, ServerSettings } from './port.ts';
import { ServerPoller } from './serverPoller.ts';
import type { JudgedCanary } from './serverPoller.ts';

export interface PollerOptions {
  readonly servers: ReadonlyMap<
    string,
    { readonly source: MetricSource; readonly settings: ServerSettings }
  >;
  /** Of an object that names none; null where there is no server. */
  readonly defaultServer: string | null;
  /** Null: max(5 s, the server's scrape interval). */
  readonly pollIntervalMs: number | null;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Poller extends EvidencePort {
  start(): void;
  /** The newest judgement on every canary that is watched. */
  judged(): readonly JudgedCanary[];
  /** Asks nothing more; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export function createPoller(options: PollerOptions): Poller {
  let listener: InterestListener = () => undefined;
  const { clock, log, pollIntervalMs } = options;
  const servers = new Map(
    [...options.servers].map(([name, { source, settings }]) => [
      name,
      new ServerPoller({
        source,
        settings,
        clock,
        log,
        pollIntervalMs,
        tell: (key, interest) => listener(key, interest),
      }),
    ]),
  );
  /** Which server's poller has an object. */
  const places = new Map<string, ServerPoller>();
  const serverOf = (name: string | null): ServerPoller | undefined =>
    servers.get(name ?? options.defaultServer ?? '');
  return {
    watch: (target, signals) => {
      const place = serverOf(target.server);
      const before = places.get(target.key);
      if (before !== undefined && before !== place) before.forget(target.key);
      if (place === undefined) {
        places.delete(target.key);
        return;
      }
      places.set(target.key, place);
      place.watch(target, signals);
    },
    forget: (key) => {
      places.get(key)?.forget(key);
      places.delete(key);
    },
    read: (key): RevisionEvidence | null => places.get(key)?.read(key) ?? null,
    arrivedMs: (key) => places.get(key)?.arrivedMs(key) ?? null,
    judged: () => [...servers.values()].flatMap((server) => server.judged()),
    nowMs: (name) => serverOf(name)?.nowMs() ?? clock.nowMs(),
    problemOf: (name, signals) => {
      const place = serverOf(name);
      return place === undefined ? unknownServer(name, servers) : place.problemOf(signals);
    },
    checkQueries: (key, name, signals) => {
      const place = serverOf(name);
      for (const server of servers.values()) if (server !== place) server.checks.forget(key);
      return place?.checks.check(key, signals) ?? [];
    },
    release: (key) => servers.forEach((server) => server.checks.forget(key)),
    onInteresting: (next) => {
      listener = next;
    },
    start: () => servers.forEach((server) => server.start()),
    stop: async () => {
      await Promise.all([...servers.values()].map((server) => server.stop()));
    },
  };
}

function unknownServer(name: string | null, known: ReadonlyMap<string, unknown>): Problem {
  const message =
    known.size === 0
      ? "The operator's configuration has no metric server. Set the chart's value prometheus.url."
      : `spec.prometheus.server: ${name} is not in the operator's configuration, ` +
        `which has ${[...known.keys()].join(', ')}.`;
  return { reason: 'UnknownServer', message };
}
