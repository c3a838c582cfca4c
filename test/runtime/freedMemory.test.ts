// When memory is given back: after the start, and when enough has come together since.
import { expect } from 'chai';
import { fullCollection, giveMemoryBack } from '../../src/runtime/freedMemory.ts';
import { FakeClock } from './fakeClock.ts';

const mebibyte = 2 ** 20;

describe('memory that is free', () => {
  it('is given back a minute after the start, and again once it has grown', async () => {
    const clock = new FakeClock(0);
    let bytes = 300 * mebibyte;
    const collectedAt: number[] = [];
    const collect = (): void => {
      collectedAt.push(clock.monotonicMs());
      bytes = 100 * mebibyte;
    };
    const cancel = giveMemoryBack({ clock, resident: () => bytes, collect });
    await clock.advance(180_000);
    expect(collectedAt).to.deep.equal([60_000]);
    bytes = 109 * mebibyte;
    await clock.advance(60_000);
    expect(collectedAt).to.deep.equal([60_000, 240_000]);
    cancel();
    bytes = 500 * mebibyte;
    await clock.advance(600_000);
    expect(collectedAt).to.have.lengthOf(2);
  });

  it('is collected by Node itself', () => {
    const gone = new WeakRef({ some: 'thing' });
    const collect = fullCollection();
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      collect();
      expect(gone.deref()).to.equal(undefined);
    });
  });
});
