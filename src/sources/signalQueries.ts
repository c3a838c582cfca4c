// Which query answers for a signal, how long its windows are, and what its rows come to: the one
// place that knows every kind of signal on a metric server.
import type { ResolvedSignal } from '../api/defaults.ts';
import type { EvidenceTarget } from '../core/evidence.ts';
import { gaugePoints, handshakePoints } from './podRows.ts';
import type { MetricRow, ServerSettings } from './port.ts';
import { PQC, PROFILES } from './profiles.ts';
import * as queries from './queries.ts';
import type { Dialect, Scope } from './queries.ts';
import { latencyPoints, requestPoints, throughputPoints, valuePoints } from './rows.ts';
import type { Points } from './rows.ts';
import { chooseWindow, leastWindowMs } from './windows.ts';

/** How a signal is asked for. */
export interface SignalQuery {
  readonly build: (scope: Scope) => string;
  /** Of the rates or samples behind one point. */
  readonly windowMs: number;
  /** It compares with stable's pods. */
  readonly isWide: boolean;
  /** It counts requests, whose freshness is asked for. */
  readonly isTraffic: boolean;
}

/** The rows of one answer that are about the two revisions. */
export interface OwnRows {
  readonly canary: readonly MetricRow[];
  readonly stable: readonly MetricRow[];
}

export function dialectOf(settings: ServerSettings): Dialect {
  const profile = PROFILES[settings.profile];
  const { matchers, scrapeIntervalMs } = settings;
  return { profile, labels: { ...profile.labels, ...settings.labels }, matchers, scrapeIntervalMs };
}

/** Signals with the same key have the same queries, apart from the scope. */
export function keyOf(signal: ResolvedSignal): string {
  const { kind, forSeconds, windowSeconds, warning, critical, rollback, query } = signal;
  const limits = `${warning} ${critical} ${rollback}`;
  return `${kind} ${forSeconds} ${windowSeconds} ${limits} ${signal.absentIsZero} ${query ?? ''}`;
}

/** `isRange`: over a range a counter's earlier values come by themselves. */
export function queryOf(signal: ResolvedSignal, to: Dialect, isRange: boolean): SignalQuery {
  const { scrapeIntervalMs } = to;
  const windowMs = windowOf(signal, scrapeIntervalMs);
  const traffic = { windowMs, isWide: false, isTraffic: true };
  const ofPods = { windowMs: 0, isWide: true, isTraffic: false };
  switch (signal.kind) {
    case 'errorRate':
      return { ...traffic, build: (scope) => queries.requestsQuery(scope, to, windowMs) };
    case 'throughput':
      return {
        ...traffic,
        isWide: true,
        build: (scope) => queries.requestsQuery(scope, to, windowMs),
      };
    case 'latencyP95':
      return { ...traffic, build: (scope) => queries.latencyQuery(scope, to, windowMs) };
    case 'memory':
      return { ...ofPods, build: (scope) => queries.memoryQuery(scope, to) };
    case 'cpu':
      return {
        ...ofPods,
        windowMs,
        isWide: false,
        build: (scope) => queries.cpuQuery(scope, to, windowMs),
      };
    case 'pqcHandshakeFailures': {
      const beforeMs = isRange ? null : signal.forSeconds * 1000;
      return { ...ofPods, build: (scope) => queries.handshakesQuery(scope, to, beforeMs) };
    }
    case 'pqcFallback':
      return { ...ofPods, build: (scope) => queries.fallbackQuery(scope, to) };
    case 'availability':
      throw new Error('the pods tell their availability, and no metric server');
    case 'custom':
      return { windowMs, isWide: false, isTraffic: false, build: () => signal.query ?? '' };
  }
}

/**
 * The query of a native histogram, for a latency whose classic one has no rows; null for all other
 * signals.
 */
export function nativeQueryOf(
  signal: ResolvedSignal,
  to: Dialect,
): ((scope: Scope) => string) | null {
  if (signal.kind !== 'latencyP95') return null;
  const limits = [signal.warning, signal.critical, signal.rollback].filter((each) => each !== null);
  const windowMs = windowOf(signal, to.scrapeIntervalMs);
  return (scope) => queries.nativeLatencyQuery(scope, to, windowMs, [...new Set(limits)]);
}

/** `firstMs` is where a range began; null at a moment. */
export function pointsOf(
  signal: ResolvedSignal,
  target: EvidenceTarget,
  { profile, labels, scrapeIntervalMs }: Dialect,
  { canary, stable }: OwnRows,
  moment: { readonly atMs: number; readonly firstMs: number | null },
): Points {
  const pods = {
    podLabel: labels.pod,
    canary: { rows: canary, pods: target.canaryPods },
    stable: { rows: stable, pods: target.stablePods },
  };
  switch (signal.kind) {
    case 'errorRate':
      return requestPoints(canary, profile.requests, target.canaryReplicaSet);
    case 'throughput':
      return throughputPoints([canary, stable], profile.requests);
    case 'latencyP95':
      return latencyPoints(canary, profile.latency);
    case 'memory':
    case 'cpu':
      return gaugePoints(pods, { onlyReady: false, all: false });
    case 'pqcFallback':
      return gaugePoints(pods, { onlyReady: true, all: true });
    case 'pqcHandshakeFailures': {
      const beforeMs = signal.forSeconds * 1000;
      const firstMs = moment.firstMs ?? moment.atMs - beforeMs;
      return handshakePoints(pods, { firstMs, beforeMs, scrapeIntervalMs });
    }
    case 'availability':
      throw new Error('the pods tell their availability, and no metric server');
    case 'custom':
      return valuePoints(canary, target.canaryReplicaSet);
  }
}

/** Names of the series that would answer, for people who export others. */
export function lookedFor(signal: ResolvedSignal, { profile }: Dialect): string {
  const listed = (names: readonly string[]): string => [...new Set(names)].join(', ');
  switch (signal.kind) {
    case 'errorRate':
    case 'throughput':
      return listed(profile.requests.map(({ metric }) => metric));
    case 'latencyP95':
      return listed(profile.latency.flatMap(({ metric }) => [`${metric}_bucket`, metric]));
    case 'memory':
      return listed(profile.memory);
    case 'cpu':
      return listed(profile.cpu);
    case 'pqcHandshakeFailures':
      return listed([PQC.failures, PQC.successes]);
    case 'pqcFallback':
      return listed([PQC.fallbackEnabled, PQC.meshEnabled, `${PQC.failures}{reason="fallback"}`]);
    case 'availability':
      return 'pods';
    case 'custom':
      return signal.query ?? '';
  }
}

/** A policy that can't be judged blocks the advance; its signals show the least window. */
function windowOf(signal: ResolvedSignal, scrapeIntervalMs: number): number {
  const choice = chooseWindow(signal, scrapeIntervalMs);
  return choice.ok ? choice.windowMs : leastWindowMs(scrapeIntervalMs);
}
