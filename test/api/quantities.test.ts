// Tests of the parsers and formatters of durations, ratios, quantities and decimals.

import { expect } from 'chai';
import fc from 'fast-check';
import {
  formatBytes,
  formatDuration,
  formatRatio,
  formatValue,
  parseBytes,
  parseDecimal,
  parseDuration,
  parseLimit,
  parseRatio,
} from '../../src/api/quantities.ts';
import type { Parsed } from '../../src/api/quantities.ts';

function valueOf(parsed: Parsed): number {
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

describe('parseDuration', () => {
  const cases = { '0s': 0, '500ms': 0.5, '1.5s': 1.5, '2m': 120, '1h30m': 5400, '1m1ms': 60.001 };
  for (const [text, seconds] of Object.entries(cases)) {
    it(`reads ${text} as ${seconds} s`, () =>
      expect(valueOf(parseDuration(text))).to.equal(seconds));
  }

  for (const text of ['', '5', '1d', '-1s', '1 s', 's', '.5s', '1e3s', '5M', '10us']) {
    it(`refuses "${text}" and quotes it`, () => {
      const parsed = parseDuration(text);
      expect(parsed.ok).to.equal(false);
      expect(parsed).to.have.property('error').that.includes(`"${text}" is not a duration`);
    });
  }

  it('sums its parts exactly, to the millisecond', () => {
    const part = fc.nat({ max: 9999 });
    fc.assert(
      fc.property(part, part, part, part, (h, m, s, ms) => {
        const expected = (h * 3_600_000 + m * 60_000 + s * 1000 + ms) / 1000;
        expect(valueOf(parseDuration(`${h}h${m}m${s}s${ms}ms`))).to.equal(expected);
      }),
    );
  });
});

describe('parseRatio', () => {
  for (const [text, ratio] of Object.entries({
    '0%': 0,
    '0.125%': 0.00125,
    '7%': 0.07,
    '29%': 0.29,
    '100.000%': 1,
  })) {
    it(`reads ${text} as ${ratio}`, () => expect(valueOf(parseRatio(text))).to.equal(ratio));
  }

  for (const text of ['', '10', '0.1', '100.1%', '101%', '-1%', '1.2345%', '1,5%', '%']) {
    it(`refuses "${text}"`, () => expect(parseRatio(text).ok).to.equal(false));
  }

  it('reads every thousandth of a percent as the nearest double of the ratio', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100_000 }), (thousandths) => {
        const decimals = String(thousandths % 1000).padStart(3, '0');
        const text = `${Math.floor(thousandths / 1000)}.${decimals}%`;
        expect(valueOf(parseRatio(text))).to.equal(thousandths / 100_000);
      }),
    );
  });
});

describe('parseBytes', () => {
  const cases = {
    '0': 0,
    '512': 512,
    '1k': 1000,
    '2400M': 2.4e9,
    '2Gi': 2 ** 31,
    '1.5Gi': 1.5 * 2 ** 30,
  };
  for (const [text, bytes] of Object.entries(cases)) {
    it(`reads ${text} as ${bytes} bytes`, () => expect(valueOf(parseBytes(text))).to.equal(bytes));
  }

  for (const text of ['', '2400MB', '2.4GB', '-1', '1e3', '100m', '1K', 'Gi']) {
    it(`refuses "${text}"`, () => expect(parseBytes(text).ok).to.equal(false));
  }
});

describe('parseDecimal', () => {
  for (const [text, value] of Object.entries({ '0': 0, '6800': 6800, '0.5': 0.5 })) {
    it(`reads ${text}`, () => expect(valueOf(parseDecimal(text))).to.equal(value));
  }

  for (const text of ['', '10%', '1e3', '-1', 'NaN', 'Infinity', '0x10', ' 1']) {
    it(`refuses "${text}"`, () => expect(parseDecimal(text).ok).to.equal(false));
  }
});

describe('parseLimit', () => {
  it('lets the unit choose the parser', () => {
    expect(valueOf(parseLimit('10%', 'ratio'))).to.equal(0.1);
    expect(valueOf(parseLimit('10m', 'seconds'))).to.equal(600);
    expect(valueOf(parseLimit('10M', 'bytes'))).to.equal(10_000_000);
    expect(valueOf(parseLimit('10', 'count'))).to.equal(10);
    expect(valueOf(parseLimit('10', 'perSecond'))).to.equal(10);
    expect(parseLimit('10', 'ratio').ok).to.equal(false);
    expect(parseLimit('10', 'seconds').ok).to.equal(false);
    expect(parseLimit('10%', 'count').ok).to.equal(false);
  });
});

describe('formatters', () => {
  for (const [seconds, text] of [
    [0, '0s'],
    [0.09, '90ms'],
    [0.9996, '1000ms'],
    [1.25, '1.25s'],
    [59.999, '1m'],
    [300, '5m'],
    [5400, '1h30m'],
    [3601, '1h1s'],
    [-2, '-2s'],
    [Infinity, 'Infinity'],
  ] as const) {
    it(`shows ${seconds} s as ${text}`, () => expect(formatDuration(seconds)).to.equal(text));
  }

  it('shows ratios as percentages', () => {
    expect([0, 0.1, 0.31234, 1, 0.00001, NaN].map(formatRatio)).to.deep.equal([
      '0%',
      '10%',
      '31.23%',
      '100%',
      '0.001%',
      'NaN',
    ]);
  });

  it('shows bytes in decimal units', () => {
    expect([0, 999, 1000, 2.4e9, 1.5e18].map(formatBytes)).to.deep.equal([
      '0',
      '999',
      '1k',
      '2.4G',
      '1500P',
    ]);
  });

  it('shows a value in its unit', () => {
    expect(formatValue(0.05, 'ratio')).to.equal('5%');
    expect(formatValue(0.2, 'seconds')).to.equal('200ms');
    expect(formatValue(2e9, 'bytes')).to.equal('2G');
    expect(formatValue(3, 'count')).to.equal('3');
    expect(formatValue(6800, 'perSecond')).to.equal('6800/s');
    expect(formatValue(-Infinity, 'perSecond')).to.equal('-Infinity');
  });

  it('shows whole durations so that they parse to the same', () => {
    fc.assert(
      fc.property(fc.nat({ max: 600_000 }), (seconds) => {
        expect(valueOf(parseDuration(formatDuration(seconds)))).to.equal(seconds);
      }),
    );
  });
});
