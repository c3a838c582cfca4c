// A body read in pieces, wherever the pieces end, comes to what it is as a whole.
import { expect } from 'chai';
import fc from 'fast-check';
import { BodyReader } from '../../src/sources/answer.ts';
import type { Body } from '../../src/sources/answer.ts';
import type { MetricRow } from '../../src/sources/port.ts';

const readIn = (pieces: readonly Buffer[]): Body & { readonly rows: readonly MetricRow[] } => {
  const rows: MetricRow[] = [];
  const reader = new BodyReader((row) => void rows.push(row));
  for (const piece of pieces) reader.write(piece);
  return { ...reader.end(), rows };
};
/** Also characters are cut in two. */
const pieces = (text: string, size: number): Buffer[] => {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
};
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
      fc.property(labels, fc.integer({ min: 100, max: 90_000 }), (pairs, size) => {
        const metrics = Array.from({ length: 3_000 }, (_, i) => {
          return Object.fromEntries([['pod', `pod-${i}`], ...pairs]);
        });
        const { rows, rowCount } = readIn(pieces(bodyOf(metrics), size));
        expect(rowCount).to.equal(3_000);
        expect(rows.map((row) => row.labels)).to.deep.equal(metrics);
        expect(rows[2_999]?.samples).to.deep.equal([[2_999_000, 2_999]]);
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

  it('may have rows that are longer than a piece', () => {
    const long = 'x'.repeat(30_000);
    const metrics = Array.from({ length: 20 }, (_, i) => ({ pod: `pod-${i}`, long }));
    const { rows, rowCount } = readIn(pieces(bodyOf(metrics), 5_000));
    expect(rowCount).to.equal(20);
    expect(rows.map((row) => row.labels)).to.deep.equal(metrics);
  });

  it('is not trusted when any row is broken, early or late', () => {
    const good = Array.from({ length: 3_000 }, (_, i) => ({ pod: `pod-${i}` }));
    for (const at of ['pod-3"', 'pod-2998"']) {
      const text = bodyOf(good).replace(at, `${at},"more":1`);
      expect(readIn(pieces(text, 20_000)).isMalformed, at).to.equal(true);
    }
    const half = bodyOf(good).slice(0, -5_000);
    expect(readIn(pieces(half, 20_000)).envelope).to.equal(null);
  });
});
