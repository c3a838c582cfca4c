// A body read in pieces, wherever the pieces end, comes to what it is as a whole.
import { expect } from 'chai';
import fc from 'fast-check';
import { BodyReader } from '../../src/sources/answer.ts';
import type { Body } from '../../src/sources/answer.ts';

const readIn = (
  pieces: readonly string[],
  want: (labels: Readonly<Record<string, string>>) => boolean = () => true,
): Body => {
  const reader = new BodyReader(want);
  for (const piece of pieces) reader.write(piece);
  return reader.end();
};
const pieces = (text: string, size: number): string[] =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
    text.slice(i * size, (i + 1) * size),
  );
const bodyOf = (metrics: readonly Readonly<Record<string, string>>[]): string =>
  JSON.stringify({
    status: 'success',
    data: {
      resultType: 'vector',
      result: metrics.map((metric, i) => ({ metric, value: [i, String(i)] })),
    },
    warnings: [],
  });
/** Values that look like the places where a body is cut. */
const hostile = ['},{"metric":', '[{"metric":', '"},{\\"metric\\":{', '\\', '"', '}]', '😀'];

describe('the body of an answer', () => {
  it('has every row, in order, whatever its labels hold and wherever its pieces end', () => {
    const labels = fc.array(fc.tuple(fc.string(), fc.constantFrom(...hostile)), { maxLength: 3 });
    fc.assert(
      fc.property(labels, fc.integer({ min: 1_000, max: 90_000 }), (pairs, size) => {
        const metrics = Array.from({ length: 3_000 }, (_, i) => {
          return Object.fromEntries([['pod', `pod-${i}`], ...pairs]);
        });
        const { rows, rowCount } = readIn(pieces(bodyOf(metrics), size));
        expect(rowCount).to.equal(3_000);
        expect(rows?.map((row) => row.labels)).to.deep.equal(metrics);
        expect(rows?.[2_999]?.samples).to.deep.equal([[2_999_000, 2_999]]);
      }),
      { numRuns: 20 },
    );
  });

  it('is read the same way when it is written another way', () => {
    const metrics = Array.from({ length: 3_000 }, (_, i) => ({ pod: `pod-${i}` }));
    const spaced = JSON.stringify(JSON.parse(bodyOf(metrics)), null, 2);
    const { rows } = readIn(pieces(bodyOf(metrics), 20_000));
    expect(readIn(pieces(spaced, 20_000)).rows).to.deep.equal(rows);
  });

  it('keeps the rows that are wanted, and counts them all', () => {
    const metrics = Array.from({ length: 3_000 }, (_, i) => ({ pod: `pod-${i}` }));
    const found = readIn(pieces(bodyOf(metrics), 20_000), ({ pod }) => pod === 'pod-7');
    expect(found.rows?.map(({ labels }) => labels)).to.deep.equal([{ pod: 'pod-7' }]);
    expect(found.rowCount).to.equal(3_000);
  });

  it('is not trusted when any row is broken, early or late', () => {
    const good = Array.from({ length: 3_000 }, (_, i) => ({ pod: `pod-${i}` }));
    for (const at of ['pod-3"', 'pod-2998"']) {
      const text = bodyOf(good).replace(at, `${at},"more":1`);
      expect(readIn(pieces(text, 20_000)).rows, at).to.equal(null);
    }
    const half = bodyOf(good).slice(0, -5_000);
    expect(readIn(pieces(half, 20_000)).envelope).to.equal(null);
  });
});
