// Parsers and formatters of the values people write: durations, ratios, Kubernetes quantities and
// decimals, to and from SI base units. The grammars are those of the CEL rules (limits.ts).

import { BYTES_PATTERN, DECIMAL_PATTERN, DURATION_PATTERN, RATIO_PATTERN } from './limits.ts';
import type { Unit } from './schema.ts';

export type Parsed =
  { readonly ok: true; readonly value: number } | { readonly ok: false; readonly error: string };

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };
const BYTES_PER_SUFFIX: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

const DURATION = new RegExp(DURATION_PATTERN);
const RATIO = new RegExp(RATIO_PATTERN);
const BYTES = new RegExp(BYTES_PATTERN);
const DECIMAL = new RegExp(DECIMAL_PATTERN);

function malformed(text: string, expected: string): Parsed {
  return { ok: false, error: `"${text}" is not ${expected}` };
}

/** Seconds of a Go duration of hours, minutes, seconds and milliseconds, at least 0. */
export function parseDuration(text: string): Parsed {
  if (!DURATION.test(text)) return malformed(text, 'a duration such as 500ms, 2m or 1h30m');
  // Whole milliseconds first: a sum of fractions of seconds would carry rounding errors.
  let milliseconds = 0;
  for (const [, digits = '', unit = ''] of text.matchAll(/([0-9.]+)(h|ms|m|s)/g)) {
    milliseconds += Number(digits) * (SECONDS_PER_UNIT[unit] ?? 0) * 1000;
  }
  return { ok: true, value: Math.round(milliseconds * 1000) / 1e6 };
}

/** 0 to 1 of a ratio written as a percentage with up to three decimals. */
export function parseRatio(text: string): Parsed {
  if (!RATIO.test(text))
    return malformed(text, 'a ratio from 0% to 100% with up to three decimals');
  // Division by an exact integer gives the double nearest to the ratio, as a literal would.
  return { ok: true, value: Math.round(Number(text.slice(0, -1)) * 1000) / 100_000 };
}

/** Bytes of a Kubernetes quantity. */
export function parseBytes(text: string): Parsed {
  if (!BYTES.test(text)) return malformed(text, 'a quantity such as 2400M or 2Gi');
  const digits = /^[0-9.]+/.exec(text)?.[0] ?? '';
  const factor = BYTES_PER_SUFFIX[text.slice(digits.length)] ?? 1;
  return { ok: true, value: Number(digits) * factor };
}

/** A decimal, at least 0. */
export function parseDecimal(text: string): Parsed {
  if (!DECIMAL.test(text)) return malformed(text, 'a decimal such as 6800 or 0.5');
  return { ok: true, value: Number(text) };
}

const PARSERS: Readonly<Record<Unit, (text: string) => Parsed>> = {
  ratio: parseRatio,
  seconds: parseDuration,
  bytes: parseBytes,
  count: parseDecimal,
  perSecond: parseDecimal,
};

/** A limit in its signal's unit, as a number in the SI base unit (ratios 0 to 1). */
export function parseLimit(text: string, unit: Unit): Parsed {
  return PARSERS[unit](text);
}

// Made once: it takes longer than all else that a text is made of.
const plainNumber = new Intl.NumberFormat('en-US', {
  useGrouping: false,
  maximumFractionDigits: 9,
});

/** At most `digits` significant digits, without exponent or trailing zeros. */
function significant(value: number, digits: number): string {
  const rounded = Number(value.toPrecision(digits));
  return plainNumber.format(rounded);
}

/** A duration for people, in whole seconds from a minute on: `1h30m`, `5m`, `90ms`, `1.25s`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return String(seconds);
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (seconds < 1) return seconds === 0 ? '0s' : `${significant(seconds * 1000, 3)}ms`;
  if (seconds < 59.995) return `${significant(seconds, 4)}s`;
  const whole = Math.round(seconds);
  const parts: readonly (readonly [number, string])[] = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ];
  return parts.map(([amount, unit]) => (amount === 0 ? '' : `${amount}${unit}`)).join('');
}

/** A ratio for people: 0.1234 is `12.34%`. */
export function formatRatio(ratio: number): string {
  return Number.isFinite(ratio) ? `${significant(ratio * 100, 4)}%` : String(ratio);
}

/** Bytes for people, in decimal units: 2.4e9 is `2.4G`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return String(bytes);
  const suffixes = ['', 'k', 'M', 'G', 'T', 'P'] as const;
  const steps = Math.floor(Math.log10(Math.max(1, Math.abs(bytes))) / 3);
  const index = Math.min(suffixes.length - 1, steps);
  return `${significant(bytes / 1000 ** index, 4)}${suffixes[index] ?? ''}`;
}

/** A count or a rate for people. */
export function formatDecimal(value: number): string {
  return Number.isFinite(value) ? significant(value, 6) : String(value);
}

/** A value in its signal's unit, for people; NaN and infinities are named as they are. */
export function formatValue(value: number, unit: Unit): string {
  switch (unit) {
    case 'ratio':
      return formatRatio(value);
    case 'seconds':
      return formatDuration(value);
    case 'bytes':
      return formatBytes(value);
    case 'count':
      return formatDecimal(value);
    case 'perSecond':
      return Number.isFinite(value) ? `${formatDecimal(value)}/s` : String(value);
  }
}
