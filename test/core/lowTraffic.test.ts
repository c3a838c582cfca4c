// A canary with few requests: two windows together tell what one alone can't.
import { expect } from 'chai';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import type { RawPoints, SignalEvidence } from '../../src/core/evidence.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import type { SignalJudgement } from '../../src/core/judgement.ts';
import { judgeHistory } from '../../src/core/lowTraffic.ts';
import type { JudgedPoint } from '../../src/core/signals.ts';
import { newlyWatched, wantedHistory } from '../../src/sources/watched.ts';
import { evidenceTarget } from '../sources/settings.ts';
import { errorRate } from './canary.ts';

const nowMs = 1_000_000;
const stepSeconds = 5;
const windowSeconds = 30;
const signal: ResolvedSignal = { ...errorRate, forSeconds: 150, minRequests: 20 };
const latency: ResolvedSignal = {
  ...signal,
  name: 'latencyP95',
  kind: 'latencyP95',
  unit: 'seconds',
  warning: 0.1,
  critical: 0.2,
  rollback: 0.5,
};
/** Six in a window, twelve in two. */
const fewPerSecond = 0.2;

const timesOf = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => nowMs - (count - 1 - i) * stepSeconds * 1000);

/** One rate for each point, and the share of it that failed. */
function requests(rates: readonly number[], failed: number | readonly number[] = 0.3): RawPoints {
  const points = timesOf(rates.length).map((timeMs, i) => {
    const total = rates[i] ?? 0;
    const failing = typeof failed === 'number' ? failed : (failed[i] ?? 0);
    const byCode = [
      { code: '200', perSecond: total * (1 - failing) },
      { code: '500', perSecond: total * failing },
    ];
    return { timeMs, byCode };
  });
  return { kind: 'requests', points };
}

function judged(raw: RawPoints, own = signal, step = stepSeconds): readonly JudgedPoint[] {
  return judgeHistory(own, raw, { windowSeconds, stepSeconds: step, nowMs });
}

function judgedWhole(raw: RawPoints | null, latest: RawPoints): SignalJudgement {
  const evidence: SignalEvidence = {
    state: 'known',
    latest,
    history: raw,
    isWhole: raw !== null,
    windowSeconds,
    stepSeconds,
    query: 'query',
    lookedFor: 'requests',
  };
  const all = { observedAtMs: nowMs, signals: { errorRate: evidence } };
  const [judgement] = judgeSignals([signal], all, null);
  if (judgement === undefined) throw new Error('one signal was judged');
  return judgement;
}

const levelsOf = (points: readonly JudgedPoint[]): string =>
  points.map(({ level }) => level.charAt(0)).join('');

describe('few requests', () => {
  it('are judged by twice the window, and a breach of theirs holds', () => {
    const rates = Array.from({ length: 61 }, () => fewPerSecond);
    const judgement = judgedWhole(requests(rates), requests([fewPerSecond]));
    expect(judgement.breach.state).to.equal('held');
    expect(judgement).to.include({ level: 'Breach', absence: null });
    // 61 points, of which the first six have none before them.
    expect(levelsOf(judgement.history)).to.equal('U'.repeat(6) + 'B'.repeat(55));
  });

  it('are known to be sound likewise', () => {
    const rates = Array.from({ length: 61 }, () => fewPerSecond);
    expect(levelsOf(judged(requests(rates, 0))).slice(6)).to.equal('N'.repeat(55));
  });

  it('are not counted twice: the windows of one point share none', () => {
    // A burst of 30 requests in one window, seen by the six points that it lies behind.
    const rates = Array.from({ length: 31 }, (_, i) => (i >= 20 && i < 26 ? 1 : 0));
    expect(levelsOf(judged(requests(rates)))).to.equal('U'.repeat(20) + 'B'.repeat(11));
    const perSecond = judged(requests(rates)).map(({ requestsPerSecond }) => requestsPerSecond);
    expect(perSecond.slice(20)).to.deep.equal([1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]);
  });

  it('change no point that has enough in its own window', () => {
    const rates = Array.from({ length: 31 }, (_, i) => (i < 6 ? 1 : i < 12 ? 0.4 : 0));
    const failed = rates.map((rate) => (rate === 0.4 ? 0.3 : 0));
    // Together with the window before it, it would be critical only.
    expect(levelsOf(judged(requests(rates, failed)))).to.equal(
      'NNNNNNBBBBBBBBBBBB' + 'U'.repeat(13),
    );
  });

  it('are looked for in the whole of a range, which a step is judged on', () => {
    const rates = Array.from({ length: 91 }, (_, i) => (i < 60 ? fewPerSecond : 1));
    expect(levelsOf(judged(requests(rates))).slice(6)).to.equal('B'.repeat(85));
  });

  it('stay unknown where twice the window has too few as well', () => {
    const rates = Array.from({ length: 61 }, () => 0.1);
    expect(levelsOf(judged(requests(rates)))).to.equal('U'.repeat(61));
  });

  it('leave a window as it is while no more than a fifth of the points have too few', () => {
    const rates = Array.from({ length: 31 }, (_, i) => (i < 25 ? 1 : 0));
    expect(levelsOf(judged(requests(rates)))).to.equal('B'.repeat(25) + 'U'.repeat(6));
    const fewer = rates.map((rate, i) => (i === 24 ? 0 : rate));
    expect(levelsOf(judged(requests(fewer)))).to.equal('B'.repeat(30) + 'U');
  });

  it('are not pooled where the points are further apart than their windows', () => {
    const rates = Array.from({ length: 61 }, () => fewPerSecond);
    expect(levelsOf(judged(requests(rates), signal, 31))).to.equal('U'.repeat(61));
  });

  it('tell latencies by the sum of both windows’ buckets', () => {
    const points = timesOf(61).map((timeMs, i) => ({
      timeMs,
      buckets: [
        { le: 0.5, perSecond: i % 12 < 6 ? 0 : fewPerSecond },
        { le: Infinity, perSecond: fewPerSecond },
      ],
    }));
    const pooled = judged({ kind: 'latency', points }, latency);
    expect(levelsOf(pooled).slice(6)).to.equal('B'.repeat(55));
    const boundaries = points.map((point, i) => {
      const [first, ...rest] = point.buckets;
      return i % 12 < 6 ? point : { ...point, buckets: [{ ...first, le: 0.4 }, ...rest] };
    }) as typeof points;
    const odd = judged({ kind: 'latency', points: boundaries }, latency);
    expect(levelsOf(odd), 'with other boundaries').to.equal('U'.repeat(61));
  });

  it('have their history read where what there is exceeds the rollback limit', () => {
    const wanted = (failing: number): readonly string[] => {
      const newest = judgedWhole(null, requests([fewPerSecond], failing));
      expect(newest.absence?.reason).to.equal('TooFewRequests');
      return wantedHistory(newlyWatched(evidenceTarget, [signal]), [newest]);
    };
    expect(wanted(0.3)).to.deep.equal(['errorRate']);
    expect(wanted(0.05)).to.deep.equal([]);
  });
});
