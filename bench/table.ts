// The sections of docs/benchmarks.md: figures in, Markdown out. It measures nothing.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** One measured thing. */
export interface Row {
  /** The part of the bench: a to f, or soak. */
  readonly part: string;
  readonly what: string;
  readonly unit: string;
  readonly samples: readonly number[];
  /** The limit in words, and whether it holds; missing where there is none. */
  readonly limit?: { readonly text: string; readonly holds: boolean };
  /** What the worst sample counts, one by one. */
  readonly counted?: readonly string[];
}

/** The value below which the share of samples lies; NaN without any. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

function show(value: number): string {
  if (Number.isNaN(value)) return '';
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(3);
}

export function lineOf({ part, what, unit, samples, limit }: Row): string {
  const cells = [
    part,
    what,
    unit,
    String(samples.length),
    show(median(samples)),
    show(quantile(samples, 0.95)),
    show(Math.max(...samples)),
    limit === undefined ? '' : `${limit.text}: ${limit.holds ? 'holds' : '**missed**'}`,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** What a sample counts, as a list under a line of its own; '' where nothing is told. */
export function listOf({ part, what, counted = [] }: Row): string {
  if (counted.length === 0) return '';
  const lines = counted.map((line, i) => `${i + 1}. ${line}`);
  return `\nPart ${part}, ${what}, the longest that was measured:\n\n${lines.join('\n')}\n`;
}

/** What one run measures, and the title of its section on the page, in the page's order. */
export const SECTIONS = {
  a: 'Parts a and b: one rollback after the other',
  e: 'Part e: one of ten stable pods is missing',
  f: 'Part f: the leader goes in the middle of a rollback',
  c: 'Parts c and d: a fleet at rest, and twenty rollbacks at once',
  soak: 'Soak: half an hour of rollouts whose truth is known',
} as const;
export type Section = keyof typeof SECTIONS;

/** A section with its date and machine. */
export function sectionOf(section: Section, rows: readonly Row[], measuredAt: Date): string {
  const machine =
    `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  return `## ${SECTIONS[section]}

Measured on ${measuredAt.toISOString().slice(0, 10)}: ${machine}.

| Part | What | Unit | n | Median | P95 | Worst | Limit |
| ---- | ---- | ---- | - | ------ | --- | ----- | ----- |
${rows.map(lineOf).join('\n')}
${rows.map(listOf).join('')}`;
}

/** The page with a section in the place of the one of the same title; the others stay. */
export function withSection(page: string, section: Section, text: string): string {
  const [head = '', ...parts] = page.split(/^(?=## )/m);
  const titles = Object.values(SECTIONS);
  const placeOf = (part: string): number => titles.findIndex((it) => part.startsWith(`## ${it}\n`));
  const others = parts.filter((part) => placeOf(part) !== titles.indexOf(SECTIONS[section]));
  const all = [...others, text].toSorted((one, other) => placeOf(one) - placeOf(other));
  return `${[head, ...all].map((part) => part.trimEnd()).join('\n\n')}\n`;
}

/** Writes what was measured into docs/benchmarks.md. */
export function writeSection(section: Section, rows: readonly Row[]): void {
  const path = join(import.meta.dirname, '..', 'docs', 'benchmarks.md');
  const text = sectionOf(section, rows, new Date());
  writeFileSync(path, withSection(readFileSync(path, 'utf8'), section, text));
}
