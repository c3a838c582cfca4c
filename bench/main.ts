// The bench: measures what docs/benchmarks.md says, prints it, and exits 1 when a limit is missed.
//
//   make bench           everything, in about an hour
//   make bench PART=a    one run: a (with b), e, f, or c (with d)
//
// Each run writes its section of docs/benchmarks.md.
import { say, startBench } from './bench.ts';
import { measureRollbacks } from './rollbacks.ts';
import { lineOf, writeSection } from './table.ts';
import type { Row, Section } from './table.ts';
import { measureTakeovers } from './takeover.ts';
import { measureBurst, measureFleet } from './thousand.ts';

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
    const measured = await measureFleet(bench, operator, count, count === 1_000 ? 540 : 120);
    const burst = count === 1_000 ? await measureBurst(bench, measured.members) : [];
    await measured.operator.stop();
    return [...measured.rows, ...burst];
  } finally {
    await bench.stop();
  }
}

const rows: Row[] = [];
const measure = async (section: Section, work: () => Promise<readonly Row[]>): Promise<void> => {
  if (wanted !== '' && wanted !== section) return;
  const measured = await work();
  for (const row of measured) {
    say(lineOf(row));
    for (const line of row.counted ?? []) say(`  ${line}`);
  }
  writeSection(section, measured);
  rows.push(...measured);
};
await measure('a', () => rollbacks('a'));
await measure('e', () => rollbacks('e'));
await measure('f', measureTakeovers);
await measure('c', async () => {
  const fleets: Row[] = [];
  for (const count of [100, 300, 1_000, 3_000]) fleets.push(...(await fleet(count)));
  return fleets;
});
const missed = rows.filter(({ limit }) => limit?.holds === false);
for (const row of missed) say(`missed: ${lineOf(row)}`);
process.exitCode = missed.length === 0 ? 0 : 1;
