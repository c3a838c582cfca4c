// Rows that name pods: whose they are, since when they count, and where a series was born late.
import { expect } from 'chai';
import { gaugePoints, handshakePoints } from '../../src/sources/podRows.ts';
import type { PodRows } from '../../src/sources/podRows.ts';
import type { MetricRow } from '../../src/sources/port.ts';

function row(pod: string, values: Readonly<Record<number, number>>, more = {}): MetricRow {
  const samples = Object.entries(values).map(([second, value]) => {
    return [Number(second) * 1000, value] as const;
  });
  return { labels: { pod, ...more }, samples };
}

const pods = [
  { name: 'a', readySinceMs: 10_000 },
  { name: 'b', readySinceMs: null },
];
const nobody = { rows: [], pods: [] };

function rowsOf(rows: readonly MetricRow[], stable: PodRows['stable'] = nobody): PodRows {
  return { podLabel: 'pod', canary: { rows, pods }, stable };
}

describe('a gauge of pods', () => {
  const read = (rows: PodRows, how = { onlyReady: false, all: false }): unknown => {
    const points = gaugePoints(rows, how);
    return points.ok && points.points.points;
  };

  it('is of the pods that are there, of both revisions at the same times', () => {
    const stable = { rows: [row('s', { 20: 7 })], pods: [{ name: 's', readySinceMs: 0 }] };
    const rows = [row('b', { 20: 2 }), row('a', { 10: 1, 20: 3 }), row('gone', { 20: 9 })];
    expect(read(rowsOf(rows, stable))).to.deep.equal([
      { timeMs: 10_000, canary: { a: 1 }, stable: {} },
      { timeMs: 20_000, canary: { b: 2, a: 3 }, stable: { s: 7 } },
    ]);
  });

  it('is of the first metric that there is, or of the highest where all count', () => {
    const rows = [
      row('a', { 20: 5 }, { x0tta_source: '1' }),
      row('a', { 20: 1 }, { x0tta_source: '0' }),
    ];
    const points = (value: number): object[] => [
      { timeMs: 20_000, canary: { a: value }, stable: {} },
    ];
    expect(read(rowsOf(rows))).to.deep.equal(points(1));
    expect(read(rowsOf(rows), { onlyReady: false, all: true })).to.deep.equal(points(5));
  });

  it('leaves out what a pod said before it was Ready, where that is asked for', () => {
    const rows = [row('a', { 5: 1, 10: 0 }), row('b', { 10: 1 })];
    expect(read(rowsOf(rows), { onlyReady: true, all: true })).to.deep.equal([
      { timeMs: 10_000, canary: { a: 0 }, stable: {} },
    ]);
  });
});

describe('counters of handshakes', () => {
  const read = (rows: readonly MetricRow[], firstMs = 10_000): unknown => {
    const asked = { firstMs, beforeMs: 60_000, scrapeIntervalMs: 1_000 };
    const points = handshakePoints(rowsOf(rows), asked);
    if (!points.ok || points.points.kind !== 'handshakes') return points;
    return points.points.points.map(({ timeMs, canary }) => [timeMs / 1000, canary]);
  };
  const failures = (values: Readonly<Record<number, number>>): MetricRow =>
    row('a', values, { x0tta_source: '0' });

  it('count since the pod is Ready, failures and successes apart', () => {
    const successes = row('a', { 11: 50 }, { x0tta_source: '1' });
    expect(read([failures({ 9: 4, 11: 5 }), successes])).to.deep.equal([
      [11, { a: { failures: 5, successes: 50 } }],
    ]);
  });

  it('stand at the beginning of the window where a row says so', () => {
    const before = row('a', { 80: 2 }, { x0tta_source: '0', x0tta_at: 'before' });
    expect(read([failures({ 80: 3 }), before], 20_000)).to.deep.equal([
      [20, { a: { failures: 2, successes: null } }],
      [80, { a: { failures: 3, successes: null } }],
    ]);
  });

  it('were none before a series that was born after its pod was scraped', () => {
    expect(read([failures({ 15: 1 })])).to.deep.equal([
      [14, { a: { failures: null, successes: null } }],
      [15, { a: { failures: 1, successes: null } }],
    ]);
    expect(read([failures({ 11: 1 })])).to.deep.equal([
      [11, { a: { failures: 1, successes: null } }],
    ]);
  });
});
