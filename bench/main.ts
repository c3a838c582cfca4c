// The bench: measures what docs/benchmarks.md says, prints it, and exits 1 when a limit is missed.
//
//   make bench           everything, in about an hour; writes docs/benchmarks.md
//   make bench PART=a    one part (a with b, e, c with d, f), without writing
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { say, startBench } from './bench.ts';
import { measureRollbacks } from './rollbacks.ts';
import { lineOf, pageOf } from './table.ts';
import type { Row } from './table.ts';
import { measureTakeovers } from './takeover.ts';
import { measureBurst, measureFleet } from './thousand.ts';

const page = join(import.meta.dirname, '..', 'docs', 'benchmarks.md');
const wanted = process.env['PART'] ?? '';

async function rollbacks(part: 'a' | 'e'): Promise<readonly Row[]> {
  const bench = await startBench(1);
  try {
    await bench.startOperator();
    return await measureRollbacks(bench, part);
  } finally {
    await bench.stop();
  }
}

/**
 * Each size on a cluster of its own; the thousand for ten minutes, and then the burst. None is at
 * rest before the windows of a minute are full, which every status says once.
 */
async function fleet(count: number): Promise<readonly Row[]> {
  const bench = await startBench(5);
  try {
    const operator = await bench.startOperator();
    const measured = await measureFleet(
      bench,
      operator,
      count,
      Number(process.env['WARM'] ?? (count === 1_000 ? 540 : 120)),
    );
    const burst = count === 1_000 ? await measureBurst(bench, measured.members) : [];
    await measured.operator.stop();
    return [...measured.rows, ...burst];
  } finally {
    await bench.stop();
  }
}

const rows: Row[] = [];
const add = (more: readonly Row[]): void => {
  rows.push(...more);
  for (const row of more) {
    say(lineOf(row));
    for (const line of row.counted ?? []) say(`  ${line}`);
  }
};
if (wanted === '' || wanted === 'a') add(await rollbacks('a'));
if (wanted === '' || wanted === 'e') add(await rollbacks('e'));
if (wanted === '' || wanted === 'f') add(await measureTakeovers());
const sizes = process.env['SIZES'] ?? '100,300,1000,3000';
if (wanted === '' || wanted === 'c') {
  for (const count of sizes.split(',').map(Number)) add(await fleet(count));
}
if (wanted === '') writeFileSync(page, pageOf(rows, new Date()));
const missed = rows.filter(({ limit }) => limit?.holds === false);
for (const row of missed) say(`missed: ${lineOf(row)}`);
process.exitCode = missed.length === 0 ? 0 : 1;
