// What a run of points means: when a breach has held, when a hold was healthy, and what unknown
// points do to either.
import { expect } from 'chai';
import fc from 'fast-check';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { judgeBreach, judgeHealth } from '../../src/core/holds.ts';
import type { BreachHold } from '../../src/core/holds.ts';
import type { JudgedPoint } from '../../src/core/signals.ts';
import { errorRate } from './canary.ts';
import type { Level } from '../../src/api/schema.ts';

const nowMs = 1_000_000;
const levels: Readonly<Record<string, Level>> = {
  B: 'Breach',
  C: 'Critical',
  n: 'Normal',
  '?': 'Unknown',
};

/** A point a second, the last one now; one letter each. */
function points(text: string, requestsPerSecond: number | null = 10): JudgedPoint[] {
  return text.split('').map((letter, i) => {
    const level = levels[letter] ?? 'Unknown';
    return {
      timeMs: nowMs - (text.length - 1 - i) * 1000,
      level,
      advanceLevel: level,
      value: level === 'Unknown' ? null : 0.2,
      requestsPerSecond: level === 'Unknown' ? null : requestsPerSecond,
      absence: null,
    };
  });
}

function breach(text: string, change: Partial<ResolvedSignal> = {}, perSecond = 10): BreachHold {
  return judgeBreach({ ...errorRate, ...change }, points(text, perSecond), 1, nowMs);
}

describe('a breach', () => {
  const cases: readonly (readonly [string, string, BreachHold['state']])[] = [
    ['has held after its whole hold', 'BBBBBBBBBBB', 'held'],
    ['has not held a point before', 'BBBBBBBBBB', 'suspect'],
    ['is ended by one clear point', 'BBBBBBBBBBBn', 'none'],
    ['begins anew after a clear point', 'BBBBBBBnBBBBBBBBBB', 'suspect'],
    ['is not broken by unknown points', 'BBBB??BBBBB', 'held'],
    ['is not filled by unknown points', 'BBB????BBBB', 'suspect'],
    ['stretches until enough points are known', 'BBB????BBBBB', 'held'],
    ['is never older than twice its hold', 'BBBBBBBBBB??????????????B', 'suspect'],
    ['needs its newest points', 'BBBBBBBBBBB???', 'none'],
    ['forgives two missing points at its end', 'BBBBBBBBBBB??', 'held'],
    ['is not a critical level', 'CCCCCCCCCCCC', 'none'],
    ['needs points', '', 'none'],
  ];
  for (const [what, text, state] of cases) {
    it(what, () => {
      expect(breach(text).state).to.equal(state);
    });
  }

  it('needs its requests, and says how many are missing', () => {
    expect(breach('BBBBBBBBBBB', {}, 4)).to.deep.include({ state: 'suspect', missingRequests: 6 });
    expect(breach('BBBBBBBBBBB', { minRequests: 44 }, 4).state).to.equal('held');
  });

  it('says since when, until when and for how long', () => {
    const sinceMs = nowMs - 4_000;
    const holdUntilMs = sinceMs + 10_000;
    expect(breach('nBBBBB')).to.deep.include({ state: 'suspect', sinceMs, holdUntilMs });
    const held = { state: 'held', sinceMs: nowMs - 12_000, heldSeconds: 12 };
    expect(breach('nBBBBBBBBBBBBB')).to.deep.include(held);
  });

  it('does not look at points that are later than now', () => {
    expect(judgeBreach(errorRate, points('BBBBBBBBBBB'), 1, nowMs - 1_000).state).to.equal(
      'suspect',
    );
  });

  it('is never held with a clear point in its hold, or with fewer points than 80 %', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('B', 'B', 'B', 'n', 'C', '?')), (letters) => {
        const text = letters.join('');
        if (breach(text).state !== 'held') return;
        const last = text.slice(-11);
        expect(last).to.not.match(/[nC]/);
        expect(text.slice(-21).replaceAll(/[^B]/g, '')).to.have.lengthOf.at.least(8);
      }),
    );
  });
});

describe('a healthy hold', () => {
  const health = (text: string, seconds = 10, perSecond: number | null = 10) =>
    judgeHealth(
      errorRate,
      points(text, perSecond),
      1,
      nowMs - (text.length - 1) * 1000,
      seconds,
      nowMs,
    );

  it('is one without a critical point', () => {
    expect(health('nnnnnnnnnnn').state).to.equal('healthy');
  });

  it('begins anew after a critical point', () => {
    expect(health('nnnnnnCnnnn')).to.deep.include({ state: 'unhealthy', lastMs: nowMs - 4_000 });
    expect(health('Cnnnnnnnnnnn').state).to.equal('healthy');
  });

  it('is no shorter than the hold of a limit that was breached', () => {
    expect(health('nnnnnnBnnnn', 2)).to.include({ state: 'unhealthy', clearAtMs: nowMs + 6_000 });
  });

  it('needs 80 % of its points, and the newest', () => {
    expect(health('nnnn??nnnnn').state).to.equal('healthy');
    expect(health('nnn????nnnn').state).to.equal('unknown');
    expect(health('nnnnnnnnnnnnnnnnnnnn???', 20).state).to.equal('unknown');
  });

  it('needs its requests', () => {
    expect(health('nnnnnnnnnnn', 10, 4)).to.deep.equal({ state: 'tooFewRequests', missing: 6 });
  });
});
