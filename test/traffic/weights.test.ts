// The arithmetic of a pair's weights: tables for the corners, properties for the rest.
import { expect } from 'chai';
import fc from 'fast-check';
import { canBeSplit, loweredTo, raisedTo } from '../../src/traffic/weights.ts';

const pair = (stable: number, canary: number, shared = false) => ({ stable, canary, shared });
const weight = fc.oneof(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 1_000_000 }));
const anyPair = fc.record({ stable: weight, canary: weight, shared: fc.boolean() });
const percent = fc.integer({ min: 0, max: 100 });
const shareOf = ({ stable, canary }: { stable: number; canary: number }): number =>
  canary === 0 ? 0 : (100 * canary) / (stable + canary);

describe('weights', () => {
  const raises: readonly [string, ReturnType<typeof pair>, number, string][] = [
    ['keeps a sum of 100', pair(100, 0), 5, '95/5'],
    ['keeps a sum of 1000', pair(1000, 0), 5, '950/50'],
    ['cuts the fraction', pair(150, 0), 25, '113/37'],
    ['also goes down', pair(20, 80), 50, '50/50'],
    ['takes all', pair(95, 5), 100, '0/100'],
    ['gives all back', pair(0, 100), 0, '100/0'],
    ['makes 100 of a sum of 0', pair(0, 0), 25, '75/25'],
    ['makes 100 of a sum that is too small', pair(1, 0), 5, '95/5'],
    ['makes 100 of the default weights', pair(1, 1), 5, '95/5'],
    ['keeps a small sum that is exact', pair(10, 0), 50, '5/5'],
    ['keeps a small sum at 100 %', pair(1, 0), 100, '0/1'],
    ['keeps a shared small sum, on the safe side', pair(10, 0, true), 25, '8/2'],
    ['leaves a shared 0', pair(0, 0, true), 50, '0/0'],
    ['stays within what a weight can be', pair(1_000_000, 1_000_000), 25, '750000/250000'],
  ];
  for (const [name, from, to, expected] of raises) {
    it(`raising ${name}`, () => {
      const { stable, canary } = raisedTo(from, to);
      expect(`${stable}/${canary}`).to.equal(expected);
    });
  }

  const lowers: readonly [string, ReturnType<typeof pair>, number, string][] = [
    ['gives all back', pair(50, 50), 0, '100/0'],
    ['keeps a small sum', pair(1, 1), 0, '2/0'],
    ['leaves what is at the share already', pair(90, 10), 10, '90/10'],
    ['leaves what is below it', pair(97, 3), 30, '97/3'],
    ['leaves a pair that is turned off', pair(0, 0), 0, '0/0'],
    ['cuts a shared small sum to the safe side', pair(0, 3, true), 50, '2/1'],
    ['makes 100 of a sum that is too small', pair(0, 1), 30, '70/30'],
    ['stays within what a weight can be', pair(1_000_000, 1_000_000), 0, '1000000/0'],
  ];
  for (const [name, from, to, expected] of lowers) {
    it(`lowering ${name}`, () => {
      const { stable, canary } = loweredTo(from, to);
      expect(`${stable}/${canary}`).to.equal(expected);
    });
  }

  it('keeps every sum that can be kept, and all weights in bounds', () => {
    fc.assert(
      fc.property(anyPair, percent, fc.constantFrom(raisedTo, loweredTo), (from, to, weigh) => {
        const { stable, canary } = weigh(from, to);
        const sum = from.stable + from.canary;
        if (from.shared || sum >= 100) {
          const unchanged = stable === from.stable && canary === from.canary;
          expect(stable + canary).to.equal(unchanged ? sum : Math.min(sum, 1_000_000));
        } else {
          expect(stable + canary).to.be.oneOf([sum, 100]);
        }
        for (const each of [stable, canary]) expect(each).to.be.within(0, 1_000_000);
      }),
      { numRuns: 1000 },
    );
  });

  it('raises to what core reads as the percentage, wherever the sum allows', () => {
    fc.assert(
      fc.property(anyPair, percent, (from, to) => {
        const weights = raisedTo(from, to);
        if (canBeSplit(from)) expect(Math.ceil(shareOf(weights))).to.equal(to);
        else expect(shareOf(weights)).to.be.at.most(to);
        expect(raisedTo({ ...weights, shared: from.shared }, to)).to.deep.equal(weights);
      }),
      { numRuns: 1000 },
    );
  });

  it('lowers to no more than the percentage and no more than there was', () => {
    fc.assert(
      fc.property(anyPair, percent, (from, to) => {
        const weights = loweredTo(from, to);
        expect(shareOf(weights)).to.be.at.most(Math.min(to, shareOf(from)));
        expect(loweredTo({ ...weights, shared: from.shared }, to)).to.deep.equal(weights);
      }),
      { numRuns: 1000 },
    );
  });
});
