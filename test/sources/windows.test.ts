// Windows, grids and horizons: the arithmetic of evidence over time.
import { expect } from 'chai';
import fc from 'fast-check';
import {
  chooseWindow,
  gridCeil,
  gridFloor,
  horizonOf,
  pollIntervalOf,
} from '../../src/sources/windows.ts';

function windowOf(forSeconds: number, scrapeSeconds: number, windowSeconds: number | null = null) {
  const choice = chooseWindow({ forSeconds, windowSeconds }, scrapeSeconds * 1000);
  return choice.ok ? choice.windowMs / 1000 : choice.reason;
}

describe('the window of a rate', () => {
  it('is a fifth of the hold, up to a minute and from four scrapes on', () => {
    expect(windowOf(600, 15)).to.equal(60);
    expect(windowOf(300, 5)).to.equal(60);
    expect(windowOf(100, 1)).to.equal(20);
    expect(windowOf(10, 1)).to.equal(4);
    expect(windowOf(300, 30)).to.equal(120);
  });

  it('is at most half of the hold', () => {
    expect(windowOf(6, 1)).to.equal(3);
    expect(windowOf(60, 10)).to.equal(30);
  });

  it('has no hold to fit into where there is no rollback limit', () => {
    expect(windowOf(0, 15)).to.equal(60);
  });

  it('is refused where a hold is too short for the scrapes', () => {
    expect(windowOf(4.9, 1)).to.equal('HoldShorterThanScrapeAllows');
    expect(windowOf(5, 1)).to.equal(2.5);
  });

  it('may be named within the same bounds', () => {
    expect(windowOf(60, 5, 12.5)).to.equal(12.5);
    expect(windowOf(60, 5, 12.4)).to.equal('WindowOutOfBounds');
    expect(windowOf(60, 5, 30)).to.equal(30);
    expect(windowOf(60, 5, 31)).to.equal('WindowOutOfBounds');
  });

  it('may be any from 2.5 scrapes on where there is no hold', () => {
    expect(windowOf(0, 5, 3_600)).to.equal(3_600);
    expect(windowOf(0, 5, 12.4)).to.equal('WindowOutOfBounds');
  });

  it('is refused for a short hold also where it is named, and says what would do', () => {
    const choice = chooseWindow({ forSeconds: 60, windowSeconds: 30 }, 15_000);
    expect(choice).to.include({ ok: false, reason: 'HoldShorterThanScrapeAllows' });
    expect(choice.ok || choice.message)
      .to.include('a hold of 60 s')
      .and.to.include('least 75 s');
  });

  it('is never a minute at a scrape a minute, which would be always empty', () => {
    expect(windowOf(3_600, 60)).to.equal(240);
    expect(windowOf(300, 60)).to.equal(150);
  });

  it('always has 2.5 scrapes and at most half of a hold', () => {
    const seconds = fc.integer({ min: 1, max: 3_600 });
    fc.assert(
      fc.property(seconds, fc.integer({ min: 1, max: 120 }), (forSeconds, scrapeSeconds) => {
        const window = windowOf(forSeconds, scrapeSeconds);
        if (typeof window === 'string') {
          expect(5 * scrapeSeconds).to.be.above(forSeconds);
          return;
        }
        expect(window).to.be.within(2.5 * scrapeSeconds - 0.001, forSeconds / 2 + 0.001);
      }),
    );
  });
});

describe('the grid', () => {
  it('has multiples of the step, counted from the epoch', () => {
    expect([gridFloor(1_999, 1_000), gridCeil(1_001, 1_000), gridCeil(2_000, 1_000)]).to.deep.equal(
      [1_000, 2_000, 2_000],
    );
  });

  it('has the nearest point on each side of any time', () => {
    const step = fc.integer({ min: 1, max: 120_000 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), step, (timeMs, stepMs) => {
        const [before, after] = [gridFloor(timeMs, stepMs), gridCeil(timeMs, stepMs)];
        expect([before % stepMs, after % stepMs]).to.deep.equal([0, 0]);
        expect(timeMs - before).to.be.within(0, stepMs - 1);
        expect(after - timeMs).to.be.within(0, stepMs - 1);
      }),
    );
  });
});

describe('how far and how often', () => {
  it('a look reaches twice the longest hold, and the step with a hold before it', () => {
    expect(
      horizonOf(
        [
          { forSeconds: 300, clearSeconds: 0 },
          { forSeconds: 600, clearSeconds: 0 },
        ],
        60,
      ),
    ).to.equal(1_200_000);
    expect(horizonOf([{ forSeconds: 60, clearSeconds: 0 }], 600)).to.equal(660_000);
    expect(horizonOf([], 600)).to.equal(600_000);
  });

  it('a server is asked no more often than it scrapes, nor than every 5 s', () => {
    expect(pollIntervalOf(1_000, null)).to.equal(5_000);
    expect(pollIntervalOf(30_000, null)).to.equal(30_000);
    expect(pollIntervalOf(30_000, 1_000)).to.equal(1_000);
  });
});
