// Work in slices: all of it, in order, and with room for others in between.
import { expect } from 'chai';
import { inSlices } from '../../src/runtime/slices.ts';

describe('work in slices', () => {
  it('lets others go ahead after every hundred', async () => {
    const done: number[] = [];
    const seenAt: number[] = [];
    const look = (): void => {
      seenAt.push(done.length);
      if (done.length < 250) setImmediate(look);
    };
    setImmediate(look);
    await inSlices(
      Array.from({ length: 250 }, (_, i) => i),
      (item, index) => {
        expect(item).to.equal(index);
        done.push(item);
      },
    );
    expect(done).to.have.lengthOf(250);
    expect(seenAt).to.include.members([100, 200]);
  });

  it('goes straight through what is short', () => {
    const done: string[] = [];
    void inSlices(['a', 'b'], (item) => done.push(item));
    expect(done).to.deep.equal(['a', 'b']);
  });
});
