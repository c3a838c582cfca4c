// Points with their levels: limits, buckets on either side of a limit, and numbers that are none.
import { expect } from 'chai';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { interpolateQuantile, judgePoints } from '../../src/core/signals.ts';
import type { JudgedPoint } from '../../src/core/signals.ts';
import { errorRate } from './canary.ts';

const latency: ResolvedSignal = {
  ...errorRate,
  name: 'latencyP95',
  kind: 'latencyP95',
  unit: 'seconds',
  warning: 0.1,
  critical: 0.2,
  rollback: 0.4,
};

function requests(counts: Readonly<Record<string, number>>, windowSeconds = 60): JudgedPoint {
  const byCode = Object.entries(counts).map(([code, perSecond]) => ({ code, perSecond }));
  const points = [{ timeMs: 1, byCode }];
  return only(judgePoints(errorRate, { kind: 'requests', points }, windowSeconds));
}

/** Of 100 requests per second, so many at or below each boundary; the last is +Inf. */
function buckets(counts: Readonly<Record<string, number>>): JudgedPoint {
  const finite = Object.entries(counts).map(([le, perSecond]) => ({ le: Number(le), perSecond }));
  finite.sort((a, b) => a.le - b.le);
  const points = [{ timeMs: 1, buckets: [...finite, { le: Infinity, perSecond: 100 }] }];
  return only(judgePoints(latency, { kind: 'latency', points }, 60));
}

function only(points: readonly JudgedPoint[]): JudgedPoint {
  const [point] = points;
  if (point === undefined || points.length > 1) throw new Error('expected one point');
  return point;
}

describe('a point of requests', () => {
  it('is as bad as the highest limit that it is beyond, strictly', () => {
    const levelAt = (failed: number) => requests({ '200': 1000 - failed, '503': failed }).level;
    expect([10, 11, 50, 51, 100, 101].map(levelAt)).to.deep.equal([
      'Normal',
      'Warning',
      'Warning',
      'Critical',
      'Critical',
      'Breach',
    ]);
  });

  it('counts every code from 500 as failed, and a class as such', () => {
    expect(requests({ '200': 80, '500': 5, '503': 5, '5xx': 10 }).value).to.equal(0.2);
    expect(requests({ '200': 80, '404': 20 }).value).to.equal(0);
  });

  it('says nothing on fewer than ten requests in its window', () => {
    const point = requests({ '500': 0.99 }, 10);
    expect(point).to.deep.include({ level: 'Unknown', advanceLevel: 'Unknown', value: null });
    expect(point.absence).to.deep.include({ kind: 'noData', reason: 'TooFewRequests' });
    expect(requests({ '500': 1 }, 10).level).to.equal('Breach');
  });

  it('says nothing where a number is none', () => {
    expect(requests({ '200': NaN, '500': 5 }).absence?.kind).to.equal('notANumber');
    expect(requests({ '200': Infinity }).absence?.kind).to.equal('infinite');
  });
});

describe('a point of latencies', () => {
  it('blames by the smallest boundary at or above the limit', () => {
    expect(buckets({ '0.25': 50, '0.5': 96, '1': 100 }).level).to.not.equal('Breach');
    expect(buckets({ '0.25': 50, '0.5': 94, '1': 100 }).level).to.equal('Breach');
  });

  it('clears by the largest boundary at or below the limit', () => {
    const point = buckets({ '0.25': 94, '0.5': 100 });
    expect(point.level).to.equal('Critical');
    expect(point.advanceLevel).to.equal('Breach');
    expect(buckets({ '0.1': 96, '0.25': 100, '0.5': 100 }).advanceLevel).to.equal('Normal');
  });

  it('says that a limit above every boundary can not be seen', () => {
    const { level, absence } = buckets({ '0.25': 100 });
    expect(level).to.equal('Unknown');
    expect(absence).to.include({ kind: 'untrusted', reason: 'LimitAboveTopBucket' });
  });

  it('says so however few requests there are', () => {
    const points = [
      {
        timeMs: 1,
        buckets: [
          { le: 0.25, perSecond: 0 },
          { le: Infinity, perSecond: 0 },
        ],
      },
    ];
    const { absence } = only(judgePoints(latency, { kind: 'latency', points }, 60));
    expect(absence?.reason).to.equal('LimitAboveTopBucket');
  });

  it('shows an interpolated value, on which no level rests', () => {
    const point = {
      timeMs: 1,
      buckets: [
        { le: 1, perSecond: 90 },
        { le: 2, perSecond: 100 },
      ],
    };
    expect(interpolateQuantile(point, 0.95)).to.equal(1.5);
    expect(interpolateQuantile({ timeMs: 1, buckets: [] }, 0.95)).to.equal(null);
  });
});

describe('a point of a custom query', () => {
  const judge = (value: number, change: Partial<ResolvedSignal> = {}): JudgedPoint =>
    only(
      judgePoints(
        { ...errorRate, ...change },
        { kind: 'value', points: [{ timeMs: 1, value }] },
        1,
      ),
    );

  it('is beyond a limit on its own side', () => {
    expect(judge(0.2).level).to.equal('Breach');
    const below = { direction: 'below', warning: 0.9, critical: 0.8, rollback: 0.5 } as const;
    expect([1, 0.85, 0.7, 0.4].map((value) => judge(value, below).level)).to.deep.equal([
      'Normal',
      'Warning',
      'Critical',
      'Breach',
    ]);
  });

  it('is unknown where it is not a number', () => {
    expect([NaN, Infinity, -Infinity].map((value) => judge(value).level)).to.deep.equal([
      'Unknown',
      'Unknown',
      'Unknown',
    ]);
  });
});
