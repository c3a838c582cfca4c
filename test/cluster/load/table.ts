// Prints a load report as a table of text. It computes nothing.

import type { LoadReport } from './report.ts';

const COLUMNS = ['VERSION', 'REQUESTS', 'BY STATUS', 'FAILURES', 'P50', 'P95', 'P99'] as const;

/** The report as lines, a row for each version in alphabetical order. */
export function loadTable(report: LoadReport): string {
  const names = Object.keys(report.versions).toSorted();
  const rows = names.flatMap((name) => {
    const version = report.versions[name];
    if (version === undefined) return [];
    const { p50, p95, p99 } = version.latencyMs;
    return [
      [
        name,
        String(version.requests),
        counts(version.byStatus),
        counts(version.failures),
        ...[p50, p95, p99].map(milliseconds),
      ],
    ];
  });
  const cells: readonly (readonly string[])[] = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const sums = `sent ${report.sent}, skipped ${report.skipped}, in flight ${report.inFlight}`;
  return [...lines, sums].join('\n') + '\n';
}

function counts(byKey: Readonly<Record<string, number>>): string {
  const parts = Object.entries(byKey).map(([key, count]) => `${key}: ${count}`);
  return parts.length === 0 ? '-' : parts.join(', ');
}

function milliseconds(value: number | null): string {
  return value === null ? '-' : `${value.toFixed(1)} ms`;
}
