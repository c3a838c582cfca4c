// The rows of docs/benchmarks.md: figures in, Markdown out. It measures nothing.
import { cpus, totalmem } from 'node:os';

/** One measured thing. */
export interface Row {
  /** The part of the bench: a to f. */
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

/** The whole page. */
export function pageOf(rows: readonly Row[], measuredAt: Date): string {
  const machine =
    `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
  return `# Benchmarks

Written by \`make bench\` from what it measured on ${measuredAt.toISOString().slice(0, 10)}: ${machine}.
The shipped bundle against a real API server and a real Prometheus on the same machine, which had
nothing else to do. Ratios compare with a bare PATCH of the same kind of object in the same run.

| Part | What | Unit | n | Median | P95 | Worst | Limit |
| ---- | ---- | ---- | - | ------ | --- | ----- | ----- |
${rows.map(lineOf).join('\n')}
${rows.map(listOf).join('')}`;
}
