// Handshakes that failed, counted from raw counters: which rises count, and whom they blame.
import { expect } from 'chai';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { BUILT_IN_SIGNALS } from '../../src/api/runbook.ts';
import type { HandshakeCounters, HandshakesPoint } from '../../src/core/evidence.ts';
import { judgeHandshakes } from '../../src/core/handshakes.ts';
import { errorRate } from './canary.ts';

const signal: ResolvedSignal = {
  ...errorRate,
  ...BUILT_IN_SIGNALS.pqcHandshakeFailures,
  name: 'pqcHandshakeFailures',
  direction: 'above',
};

/** Failures, or failures and successes, of a pod every ten seconds; null: no such series. */
type Run = readonly (number | null | readonly [number | null, number | null])[];

function counters(value: Run[number] | undefined): HandshakeCounters | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null) {
    return { failures: value[0], successes: value[1] };
  }
  return { failures: value, successes: null };
}

function judged(canary: Readonly<Record<string, Run>>, stable: Readonly<Record<string, Run>> = {}) {
  const length = Math.max(...Object.values(canary).map((run) => run.length));
  const at = (runs: Readonly<Record<string, Run>>, i: number): HandshakesPoint['canary'] =>
    Object.fromEntries(
      Object.entries(runs).flatMap(([pod, run]) => {
        const value = counters(run[i]);
        return value === undefined ? [] : [[pod, value]];
      }),
    );
  const points = Array.from({ length }, (_, i) => ({
    timeMs: i * 10_000,
    canary: at(canary, i),
    stable: at(stable, i),
  }));
  const newest = judgeHandshakes(signal, points).at(-1);
  return `${newest?.value} ${newest?.level}`;
}

describe('failed handshakes', () => {
  const cases: readonly (readonly [string, Readonly<Record<string, Run>>, string])[] = [
    ['none', { a: [0, 0, 0] }, '0 Normal'],
    ['one is critical', { a: [0, 0, 1] }, '1 Critical'],
    ['two are critical', { a: [0, 1, 2] }, '2 Critical'],
    ['three blame', { a: [0, 1, 3] }, '3 Breach'],
    ['those of all pods add up', { a: [0, 1, 2], b: [5, 5, 6] }, '3 Breach'],
    ['what a pod had when it got Ready is no failure of now', { a: [7, 7, 7] }, '0 Normal'],
    ['a series that is born later counts in full', { a: [null, null, 3] }, '3 Breach'],
    ['a reset counts the new value', { a: [9, 9, 2] }, '2 Critical'],
    ['a scrape that is missing hides no rise', { a: [0, null, 3] }, '3 Breach'],
    ['older ones than a minute are over', { a: [0, 3, 3, 3, 3, 3, 3, 3, 3] }, '0 Normal'],
    ['a minute includes its end', { a: [0, 3, 3, 3, 3, 3, 3] }, '3 Breach'],
  ];
  for (const [what, canary, verdict] of cases) {
    it(`${what}: ${verdict}`, () => {
      expect(judged(canary)).to.equal(verdict);
    });
  }

  it('blame for more than one in a hundred, where successes are exported', () => {
    expect(
      judged({
        a: [
          [0, 0],
          [3, 297],
        ],
      }),
    ).to.equal('3 Critical');
    expect(
      judged({
        a: [
          [0, 0],
          [3, 290],
        ],
      }),
    ).to.equal('3 Breach');
  });

  it('blame nobody where stable fails as often over as many', () => {
    const canary = {
      a: [
        [0, 0],
        [3, 47],
      ],
    } as const;
    expect(
      judged(canary, {
        s: [
          [0, 0],
          [6, 94],
        ],
      }),
    ).to.equal('3 Critical');
    expect(
      judged(canary, {
        s: [
          [0, 0],
          [5, 95],
        ],
      }),
    ).to.equal('3 Breach');
    expect(
      judged(canary, {
        s: [
          [0, 0],
          [3, 30],
        ],
      }),
    ).to.equal('3 Breach');
  });
});
