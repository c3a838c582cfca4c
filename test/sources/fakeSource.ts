// A metric server in memory: it answers by what a query asks for, on a clock of its own, and
// remembers what it was asked.
import type { MetricAnswer, MetricRow, MetricSource, TakeRow } from '../../src/sources/port.ts';
import { absence } from '../../src/sources/port.ts';

export interface Asked {
  readonly kind: 'instant' | 'range';
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** What a revision reports: the share of failed requests at a time, or null while silent. */
export type Behaviour = (timeMs: number) => number | null;

export class FakeSource implements MetricSource {
  readonly asked: Asked[] = [];
  /** By namespace/ReplicaSet; each has one pod, <ReplicaSet>-bbbbb. */
  readonly revisions = new Map<string, Behaviour>();
  down = false;
  /** Their targets are gone: no newest sample, while rates go on for a while. */
  readonly unscraped = new Set<string>();
  /** Rows of given texts, at whatever times they are asked for. */
  readonly rows = new Map<string, readonly MetricRow[]>();
  /** Answers to given texts, instead of its own. */
  readonly refusals = new Map<string, MetricAnswer>();
  /** A range about more ReplicaSets (named as many7-b) is not answered in time. */
  mostInRange = Infinity;
  /** Nor one about this ReplicaSet, named likewise. */
  slowInRange = '';
  /** How often requests were scraped in five minutes; null: nobody exports a counter of them. */
  scrapes: number | null = null;
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs();
  }

  instant(query: string, timeMs: number, take: TakeRow): Promise<MetricAnswer> {
    this.asked.push({ kind: 'instant', query, startMs: timeMs, endMs: timeMs });
    return this.#answer(query, [timeMs], take);
  }

  range(
    query: string,
    startMs: number,
    endMs: number,
    stepMs: number,
    take: TakeRow,
  ): Promise<MetricAnswer> {
    this.asked.push({ kind: 'range', query, startMs, endMs });
    const names = new Set(query.match(/[a-z]+\d+-b/g));
    if (names.size > this.mostInRange || names.has(this.slowInRange)) {
      return Promise.resolve({ ok: false, absence: absence('unreachable', 'TimedOut', 'slow') });
    }
    const times: number[] = [];
    for (let timeMs = startMs; timeMs <= endMs; timeMs += stepMs) times.push(timeMs);
    return this.#answer(query, times, take);
  }

  async #answer(query: string, times: readonly number[], take: TakeRow): Promise<MetricAnswer> {
    const refusal = this.refusals.get(query);
    if (refusal !== undefined) return refusal;
    if (this.down) return { ok: false, absence: absence('unreachable', 'Refused', 'it is down') };
    if (query.startsWith('quantile(0.5, (count_over_time(')) {
      if (this.scrapes === null) return { ok: true, rowCount: 0 };
      take({ labels: {}, samples: [[times[0] ?? NaN, this.scrapes]] });
      return { ok: true, rowCount: 1 };
    }
    const fixed = this.rows.get(query)?.map(({ labels, samples: [first] }) => ({
      labels,
      samples: times.map((timeMs) => [timeMs, first?.[1] ?? NaN] as const),
    }));
    const own = [...this.revisions].flatMap(([name, behaviour]) => {
      const [namespace = '', replicaSet = ''] = name.split('/');
      if (!query.includes(namespace)) return [];
      if (query.includes('timestamp') && this.unscraped.has(name)) return [];
      return rowsOf(query, times, { namespace, replicaSet, behaviour });
    });
    const rows = fixed ?? own;
    for (const row of rows) take(row);
    return { ok: true, rowCount: rows.length };
  }
}

interface Revision {
  readonly namespace: string;
  readonly replicaSet: string;
  readonly behaviour: Behaviour;
}

function rowsOf(query: string, times: readonly number[], revision: Revision): MetricRow[] {
  const { namespace, replicaSet, behaviour } = revision;
  const known = times.filter((timeMs) => behaviour(timeMs) !== null);
  if (known.length === 0) return [];
  if (query.startsWith('max by (namespace, pod) (timestamp')) {
    const labels = { namespace, pod: `${replicaSet}-bbbbb` };
    return [{ labels, samples: known.map((timeMs) => [timeMs, timeMs / 1000]) }];
  }
  const labels = { namespace, x0tta_rs: replicaSet };
  if (query.includes('_bucket')) {
    return ['0.1', '0.5', '+Inf'].map((le) => ({
      labels: { ...labels, le },
      samples: known.map((timeMs) => [timeMs, 100] as const),
    }));
  }
  if (!query.includes('http_requests_total')) return [];
  const share = (code: string, of: (ratio: number) => number): MetricRow => ({
    labels: { ...labels, code },
    samples: known.map((timeMs) => [timeMs, of(behaviour(timeMs) ?? 0)] as const),
  });
  return [share('200', (ratio) => 100 * (1 - ratio)), share('500', (ratio) => 100 * ratio)];
}
