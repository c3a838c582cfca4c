// Signals without usable data: what `noData: Rollback` blames, what `noData: Ignore` still waits
// for, and a histogram that can not show the limit.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { RequestPoint } from '../../src/core/evidence.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { evidenceOf, FakeCluster, knownEvidence } from './fakeCluster.ts';

const [errorRate, latency, availability] = spec.signals;
let cluster: FakeCluster;

/** The error rate's points of the last seconds, as many as are given, oldest first. */
function errorRateIs(perSecond: readonly (number | null)[], isLookedBack = true): void {
  const points = perSecond.flatMap((requests, i): RequestPoint[] => {
    const timeMs = cluster.nowMs - (perSecond.length - 1 - i) * 1000;
    return requests === null ? [] : [{ timeMs, byCode: [{ code: '200', perSecond: requests }] }];
  });
  const known = knownEvidence({ kind: 'requests', points });
  if (known.state === 'absent') throw new Error('points are evidence');
  const latest = { kind: 'requests', points: points.filter(isNow) } as const;
  const history = isLookedBack ? known.history : null;
  const { signals } = evidenceOf(cluster.nowMs, Array(60).fill(0));
  cluster.evidence = {
    observedAtMs: cluster.nowMs,
    signals: { ...signals, errorRate: { ...known, latest, history } },
  };
}

const of = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
const isNow = ({ timeMs }: RequestPoint): boolean => timeMs === cluster.nowMs;
const isBlamed = (): boolean => decide(cluster.observe()).check === 'absenceHeldAgainstPolicy';

describe('a signal whose absence rolls back (noData: Rollback)', () => {
  beforeEach(() => {
    const signals = [{ ...errorRate, noData: 'Rollback' as const }, latency, availability];
    cluster = new FakeCluster({ ...spec, signals });
    canaryInTraffic(cluster, 0);
  });

  it('is held against a canary that never had any series', () => {
    cluster.nowMs += 5_000;
    errorRateIs([]);
    expect(isBlamed()).to.equal(false);
    cluster.nowMs += 1_000;
    errorRateIs([]);
    expect(isBlamed()).to.equal(true);
    expect(cluster.settle().incident?.startedAt).to.equal('2026-01-31T12:00:00.000Z');
  });

  it('is held against one whose series ended, from its last point on', () => {
    cluster.nowMs += 20_000;
    errorRateIs([...of(10, 100), ...of(5, null)]);
    expect(isBlamed()).to.equal(false);
    errorRateIs([...of(10, 100), ...of(6, null)]);
    expect(isBlamed()).to.equal(true);
    expect(decide(cluster.observe()).incident?.heldFor).to.equal('6s');
  });

  it('counts points with too few requests as absent, before the series ends', () => {
    cluster.nowMs += 20_000;
    // The first four of them have enough together with the window before theirs.
    errorRateIs([...of(10, 100), ...of(4 + 4, 1), null, null]);
    expect(isBlamed()).to.equal(false);
    errorRateIs([...of(10, 100), ...of(4 + 5, 1), null, null]);
    expect(isBlamed()).to.equal(true);
  });

  it('is held against nobody before its history was looked at', () => {
    cluster.nowMs += 20_000;
    errorRateIs([], false);
    expect(isBlamed()).to.equal(false);
  });
});

describe('a step with signals that are left out while absent (noData: Ignore)', () => {
  beforeEach(() => {
    const ignored = [errorRate, latency].map((signal) => ({
      ...signal,
      noData: 'Ignore' as const,
    }));
    cluster = new FakeCluster({ ...spec, signals: [...ignored, availability] });
    canaryInTraffic(cluster, 0);
  });

  it('does not end before the look at its end', () => {
    cluster.nowMs += 5_500;
    breaching(cluster, 1, 0);
    cluster.nowMs += 4_500;
    expect(cluster.settle()).to.include({ check: 'healthIsNotProven', reason: 'EvidenceMissing' });
    breaching(cluster, 10, 0);
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
  });

  it('does not end without any look, as after a restart', () => {
    cluster.nowMs += 20_000;
    cluster.evidence = null;
    expect(cluster.settle().check).to.equal('healthIsNotProven');
  });

  it('ends when that look finds none of them', () => {
    cluster.nowMs += 10_000;
    cluster.evidence = { observedAtMs: cluster.nowMs, signals: {} };
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
  });

  it('is waited for where only its newest point was read', () => {
    const fallback = { kind: 'value', points: [{ timeMs: 0, value: 0 }] } as const;
    for (const isWhole of [false, true]) {
      cluster = new FakeCluster(spec);
      canaryInTraffic(cluster, 11);
      const { signals, ...rest } = evidenceOf(cluster.nowMs, of(12, 0));
      const newest = knownEvidence(fallback);
      if (newest.state === 'absent') throw new Error('points are evidence');
      const partly = isWhole ? newest : { ...newest, history: null, isWhole };
      cluster.evidence = { ...rest, signals: { ...signals, pqcFallback: partly } };
      const { check } = decide(cluster.observe());
      expect(check).to.equal(isWhole ? 'stepPasses' : 'healthIsNotProven');
    }
  });
});

describe('a latency limit above the highest boundary of the histogram', () => {
  const coarse = (errorRatio: number, seconds: number): void => {
    const points = Array.from({ length: seconds + 1 }, (_, i) => ({
      timeMs: cluster.nowMs - (seconds - i) * 1000,
      buckets: [
        { le: 0.1, perSecond: 100 },
        { le: Infinity, perSecond: 100 },
      ],
    }));
    const ratios = points.map(() => errorRatio);
    const latencies = knownEvidence({ kind: 'latency', points });
    cluster.evidence = evidenceOf(cluster.nowMs, ratios, latencies);
  };

  it('makes the object Invalid, and lets the canary keep its weight', () => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster);
    coarse(0, 8);
    const found = cluster.settle();
    expect(found).to.include({ phase: 'Invalid', reason: 'LimitAboveTopBucket', stalled: true });
    expect(found.message).to.include('spec.signals[latencyP95]').and.to.include('0.1 s');
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('stops nobody where the signal may be absent', () => {
    const ignored = { ...latency, noData: 'Ignore' as const };
    cluster = new FakeCluster({ ...spec, signals: [errorRate, ignored, availability] });
    canaryInTraffic(cluster);
    coarse(0, 8);
    expect(cluster.settle().phase).to.equal('Progressing');
  });

  it('stops nobody who is observed only', () => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, mode: 'Observe' } });
    canaryInTraffic(cluster);
    coarse(0, 8);
    expect(cluster.settle().phase).to.equal('Progressing');
  });

  it('hides no breach of another signal', () => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster);
    coarse(0.3, 8);
    expect(cluster.settle().phase).to.equal('RolledBack');
  });
});
