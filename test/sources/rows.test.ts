// The rows of answers read into points: whose row is whose, what adds up, what is refused and why.
import { expect } from 'chai';
import type { LatencyPoint, RawPoints } from '../../src/core/evidence.ts';
import type { MetricRow } from '../../src/sources/port.ts';
import { PROFILES } from '../../src/sources/profiles.ts';
import {
  at,
  distrust,
  latencyPoints,
  requestPoints,
  since,
  throughputPoints,
  valuePoints,
} from '../../src/sources/rows.ts';
import type { Points } from '../../src/sources/rows.ts';

type Labels = Readonly<Record<string, string>>;

/** Values at 1 s, 2 s and so on. */
const { requests, latency } = PROFILES.http;

function row(own: Labels, ...values: readonly number[]): MetricRow {
  return { labels: own, samples: values.map((value, i) => [(i + 1) * 1_000, value]) };
}

function pointsOf(points: Points): RawPoints {
  if (!points.ok) throw new Error(points.absence.message);
  return points.points;
}

function absenceOf(points: Points): string {
  return points.ok ? 'none' : `${points.absence.kind} ${points.absence.reason}`;
}

describe('points of requests', () => {
  const read = (...rows: readonly MetricRow[]): (readonly [number, object])[] => {
    const raw = pointsOf(requestPoints(rows, requests, 'shop-b'));
    if (raw.kind !== 'requests') return [];
    return raw.points.map(({ timeMs, byCode }) => [
      timeMs,
      Object.fromEntries(byCode.map(({ code, perSecond }) => [code, perSecond])),
    ]);
  };

  it('have a rate for each status, whichever of the two labels has it', () => {
    expect(
      read(row({ code: '200' }, 9, 8), row({ status: '500', x0tta_source: '1' }, 1, 2)),
    ).to.deep.equal([
      [1_000, { '200': 9, '500': 1 }],
      [2_000, { '200': 8, '500': 2 }],
    ]);
  });

  it('add up rows of one status', () => {
    const points = read(row({ code: '200' }, 9), row({ status: '200', x0tta_source: '1' }, 1));
    expect(points[0]?.[1]).to.deep.equal({ '200': 10 });
  });

  it('come in the order of their times, also where a status begins late', () => {
    const late: MetricRow = { labels: { code: '500' }, samples: [[500, 1]] };
    const points = read(row({ code: '200' }, 9, 9), late);
    expect(points.map(([timeMs]) => timeMs)).to.deep.equal([500, 1_000, 2_000]);
    expect(points[1]?.[1]).to.deep.equal({ '200': 9 });
  });

  it('keep a rate that is no number, for the judge to name', () => {
    const points = read(row({ code: '200' }, NaN), row({ code: '500' }, Infinity));
    expect(points[0]?.[1]).to.deep.equal({ '200': NaN, '500': Infinity });
  });

  it('are refused where series carry no status, though others do', () => {
    const wrong = requestPoints(
      [row({ code: '200' }, 9), row({ code: '' }, 1)],
      requests,
      'shop-b',
    );
    expect(absenceOf(wrong)).to.equal('untrusted ProfileMismatch');
    expect(wrong.ok || wrong.absence.message).to.include('of shop-b carry neither');
  });

  for (const code of ['OK', 'error', 'Unavailable', '99', '2000', '600', 'x'.repeat(500)]) {
    it(`are refused where a status says ${code.slice(0, 20)}, which nobody knows`, () => {
      const wrong = requestPoints([row({ code: '200' }, 9), row({ code }, 1)], requests, 'shop-b');
      expect(absenceOf(wrong)).to.equal('untrusted ProfileMismatch');
      expect(wrong.ok || wrong.absence.message)
        .to.include(code.slice(0, 20))
        .and.to.have.lengthOf.below(400);
    });
  }

  for (const code of ['100', '204', '3xx', '4XX', '503', 'success', 'failure', '0']) {
    it(`know the status ${code}`, () => {
      expect(read(row({ code }, 9))).to.deep.equal([[1_000, { [code]: 9 }]]);
    });
  }

  it('are none where there is no row, which is no profile that does not fit', () => {
    expect(read()).to.deep.equal([]);
  });
});

describe('points of throughput', () => {
  const { requests: x0tta } = PROFILES.x0tta;
  const value = (...revisions: readonly (readonly MetricRow[])[]): unknown =>
    pointsOf(throughputPoints(revisions, x0tta)).points;

  it('add up both revisions, each by the metric that it has', () => {
    const canary = [row({ status: '200' }, 400), row({ code: '200', x0tta_source: '1' }, 400)];
    const stable = [row({ code: '200', x0tta_source: '1' }, 7_000)];
    const labelled = row({ status: '200', x0tta_source: '2' }, 600);
    expect(value(canary, [...stable, labelled])).to.deep.equal([{ timeMs: 1_000, value: 8_000 }]);
  });
});

describe('points of latency', () => {
  const read = (...rows: readonly MetricRow[]): readonly LatencyPoint[] => {
    const raw = pointsOf(latencyPoints(rows, latency));
    return raw.kind === 'latency' ? raw.points : [];
  };

  it('have their boundaries as ascending numbers, the last one infinite', () => {
    const rows = ['+Inf', '10', '2.5', '1e-3'].map((le, i) => row({ le }, 4 - i));
    expect(read(...rows)).to.deep.equal([
      {
        timeMs: 1_000,
        buckets: [
          { le: 0.001, perSecond: 1 },
          { le: 2.5, perSecond: 2 },
          { le: 10, perSecond: 3 },
          { le: Infinity, perSecond: 4 },
        ],
      },
    ]);
  });

  it('know 1 and 1.0 as one boundary', () => {
    const [point] = read(row({ le: '1' }, 3), row({ le: '1.0' }, 4));
    expect(point?.buckets).to.deep.equal([{ le: 1, perSecond: 7 }]);
  });

  it('leave out rows without a boundary', () => {
    expect(read(row({}, 3), row({ le: 'fast' }, 4))).to.deep.equal([]);
  });
});

describe('points of a custom query', () => {
  it('are of the one row, whatever its values are', () => {
    const raw = pointsOf(valuePoints([row({}, 7, NaN)], 'shop-b'));
    expect(raw.points).to.deep.equal([
      { timeMs: 1_000, value: 7 },
      { timeMs: 2_000, value: NaN },
    ]);
  });

  it('are refused where two rows are meant', () => {
    const twice = valuePoints([row({ pod: 'a' }, 1), row({ pod: 'b' }, 2)], 'shop-b');
    expect(absenceOf(twice)).to.equal('untrusted AmbiguousSource');
    expect(twice.ok || twice.absence.message)
      .to.include('2 rows')
      .and.to.include('Aggregate');
  });
});

describe('the points that count', () => {
  const kinds: readonly RawPoints[] = [
    pointsOf(requestPoints([row({ code: '200' }, 1, 2, 3, 4, 5)], requests, 'shop-b')),
    pointsOf(latencyPoints([row({ le: '1' }, 1, 2, 3, 4, 5)], latency)),
    pointsOf(valuePoints([row({}, 1, 2, 3, 4, 5)], 'shop-b')),
  ];
  const times = (raw: RawPoints): number[] => raw.points.map(({ timeMs }) => timeMs);
  for (const raw of kinds) {
    it(`are those whose whole window lies within the attempt (${raw.kind})`, () => {
      expect(times(since(raw, 1_000, 2_500))).to.deep.equal([4_000, 5_000]);
      expect(times(since(raw, 1_500, 2_500))).to.deep.equal([4_000, 5_000]);
      expect(times(since(raw, 1_501, 2_500))).to.deep.equal([5_000]);
    });

    it(`are those of the one time of a look (${raw.kind})`, () => {
      expect(times(at(raw, 3_000))).to.deep.equal([3_000]);
      expect(times(at(raw, 3_001))).to.deep.equal([]);
    });
  }
});

describe('the newest samples of pods', () => {
  /** Each pod with the second of its newest sample, as of 100 s and nothing older than 97 s. */
  const judged = (
    newest: Readonly<Record<string, number>>,
    ...known: readonly string[]
  ): string => {
    const rows = Object.entries(newest).map(([pod, seconds]) => {
      return { labels: { namespace: 'mesh', pod }, samples: [[100_000, seconds]] } as const;
    });
    const absent = distrust(
      rows,
      'shop-b',
      { podLabel: 'pod', pods: new Set(known) },
      100_000,
      97_000,
    );
    return absent === null ? 'trusted' : `${absent.kind} ${absent.reason}: ${absent.message}`;
  };

  it('are trusted while one pod was scraped lately, to the last moment', () => {
    expect(judged({ 'shop-b-a': 97, 'shop-b-b': 12 }, 'shop-b-a', 'shop-b-b')).to.equal('trusted');
  });

  it('are stale when none was', () => {
    expect(judged({ 'shop-b-a': 96.999, 'shop-b-b': 12 }, 'shop-b-a', 'shop-b-b')).to.match(
      /^untrusted Stale: .* shop-b is 3 s old/,
    );
  });

  it('say nothing where there are none: that is an empty answer', () => {
    expect(judged({}, 'shop-b-a')).to.equal('trusted');
  });

  it('are somebody else’s too when more pods report than were ever listed', () => {
    expect(judged({ 'shop-b-a': 99, 'shop-b-z': 99 }, 'shop-b-a')).to.match(
      /^untrusted AmbiguousSource: 2 pods report as shop-b, which had 1 \(shop-b-z is none/,
    );
  });

  it('may be of a pod that was not listed yet, while they are no more than were', () => {
    expect(judged({ 'shop-b-z': 99 }, 'shop-b-a')).to.equal('trusted');
  });
});
