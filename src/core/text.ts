// How the core writes times and bounds strings for the status.
import { MAX_STATUS_TEXT } from '../api/limits.ts';

const ellipsis = '…';

/**
 * Whole characters that take at most so many bytes in JSON, where some are escaped; what was cut is
 * marked with an ellipsis.
 */
export function cut(text: string, bytes = MAX_STATUS_TEXT): string {
  if (text.length * longestEscape <= bytes) return text;
  const room = bytes - utf8Bytes(ellipsis);
  let taken = 0;
  let end = 0;
  for (const character of text) {
    taken += jsonBytes(character);
    if (taken > bytes) return text.slice(0, end) + ellipsis;
    if (taken <= room) end += character.length;
  }
  return text;
}

/** A control character, as JSON writes it. */
const longestEscape = 6;

function jsonBytes(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x20 || (point >= 0xd800 && point < 0xe000)) return longestEscape;
  return character === '"' || character === '\\' ? 2 : utf8Bytes(character);
}

/** The length of a text in UTF-8; core has no encoder. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}

const longestSentence = 256;

/** Of somebody else's words no more than a sentence, within a quarter of a status text. */
export function firstSentence(text: string): string {
  const [sentence = ''] = text.trim().split(/(?<=[.!?])\s|[\r\n]/, 1);
  return cut(sentence, longestSentence);
}

/** A time as the API writes it, with milliseconds: 2026-01-31T12:00:00.000Z. */
export function rfc3339(timeMs: number): string {
  const days = Math.floor(timeMs / 86_400_000);
  const ms = timeMs - days * 86_400_000;
  const { year, month, day } = civilDate(days);
  const pad = (value: number, width: number): string => String(value).padStart(width, '0');
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = Math.floor(ms / 1000) % 60;
  return (
    `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T` +
    `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(seconds, 2)}.${pad(Math.floor(ms % 1000), 3)}Z`
  );
}

/** Days since the epoch as a date of the Gregorian calendar; core has no Date. */
function civilDate(days: number): { year: number; month: number; day: number } {
  // Counted from 1 March of year 0, so that the leap day is a year's last.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}
