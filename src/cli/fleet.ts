// What the metrics say of the objects, read from the caches at each scrape. It keeps nothing.
import { phaseSchema } from '../api/status.ts';
import type { ClusterWatch } from '../kube/cluster.ts';
import type { Poller } from '../sources/poller.ts';
import type { CanaryMetrics } from '../telemetry/gauges.ts';

/** How many objects are in each phase; all phases are there. */
export function countPhases({ stores }: ClusterWatch): Record<string, number> {
  const phases = Object.fromEntries(phaseSchema.options.map((phase) => [phase, 0]));
  for (const { status } of stores.deployments.list()) {
    const phase = status?.phase;
    if (phase !== undefined) phases[phase] = (phases[phase] ?? 0) + 1;
  }
  return phases;
}

/** How many objects do not go on by themselves, by the reason of their condition Stalled. */
export function countStalled({ stores }: ClusterWatch): Record<string, number> {
  const reasons: Record<string, number> = {};
  for (const { status } of stores.deployments.list()) {
    const stalled = status?.conditions?.find(({ type }) => type === 'Stalled');
    if (stalled?.status !== 'True') continue;
    reasons[stalled.reason] = (reasons[stalled.reason] ?? 0) + 1;
  }
  return reasons;
}

/** Every canary on its way, with the newest judgement on each of its signals. */
export function readCanaries({ cache }: ClusterWatch, poller: Poller): CanaryMetrics[] {
  return poller.judged().flatMap(({ key, judgements }) => {
    const object = cache.deployment(key);
    if (object === undefined) return [];
    const { namespace, name } = object.metadata;
    const signals = judgements.map(({ signal, level, latest }) => {
      return { name: signal.name, level, value: latest?.value ?? null };
    });
    return [{ namespace, name, weight: object.status?.canary?.weight ?? 0, signals }];
  });
}
