// Parts c and d: what a fleet of canaries costs while nothing happens, and how long twenty of them
// take to lose their traffic when they breach in the same second.
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { request } from 'undici';
import type { OperatorHandle } from '../test/cluster/operator.ts';
import { waitFor } from '../test/cluster/process.ts';
import type { Bench, Write } from './bench.ts';
import { say } from './bench.ts';
import { createFleet, forEach, pathOf, rollOut, statusOf, whenAll } from './fleet.ts';
import type { Member } from './fleet.ts';
import { barePatches, ratios, rollbacksOf } from './rollbacks.ts';
import type { Row } from './table.ts';

/** Signals at their default windows; a hold that outlasts the bench. */
const spec = { canary: { steps: [{ weight: 20, hold: '12h' }], drainDelay: '1s' } };
const pollSeconds = 5;
const watchedSeconds = 60;
const clockTicks = 100;

function residentMiB(pid: number): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

function cpuSeconds(pid: number): number {
  // The name in parentheses may hold blanks; user and system time are the 14th and 15th field.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / clockTicks;
}

/** What of the resident memory is the heap's, for whoever looks for the rest. */
async function sayHeap({ url, pid }: OperatorHandle): Promise<void> {
  const answer = await request(`${url}/metrics`);
  const text = await answer.body.text();
  const names = /^nodejs_(?:heap_size_total|heap_size_used|external_memory)_bytes (\d+)/gm;
  const found = [...text.matchAll(names)].map(([line]) => {
    const [name = '', bytes = '0'] = line.split(' ');
    return `${name.slice('nodejs_'.length, -'_bytes'.length)} ${Math.round(Number(bytes) / 2 ** 20)} MiB`;
  });
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  for (const [, name, kib] of status.matchAll(/^(Rss\w+):\s+(\d+) kB/gm)) {
    found.push(`${name} ${Math.round(Number(kib) / 1024)} MiB`);
  }
  say(found.join(', '));
}

function isWrite({ user, resource }: Write): boolean {
  return user.endsWith(':x0tta') && resource !== 'leases';
}

/** A minute of a fleet at rest, after it ran for so long. */
async function rowsAtRest(
  bench: Bench,
  operator: OperatorHandle,
  count: number,
  warmSeconds: number,
): Promise<readonly Row[]> {
  say(`${count} objects: ${warmSeconds} s until the figures, ${watchedSeconds} s for them`);
  await delay(warmSeconds * 1000);
  const newWrites = bench.writesFromNow();
  const { answers } = bench.recorder;
  const beganMs = performance.timeOrigin + performance.now();
  const cpuBefore = cpuSeconds(operator.pid);
  await delay(watchedSeconds * 1000);
  const cores = (cpuSeconds(operator.pid) - cpuBefore) / watchedSeconds;
  const asked = answers.filter(({ atMs }) => atMs >= beganMs).length;
  const perInterval = asked / (watchedSeconds / pollSeconds);
  const writes = newWrites().filter(isWrite).length;
  const memory = residentMiB(operator.pid);
  await sayHeap(operator);
  const isLimited = count === 1_000;
  const row = (what: string, unit: string, value: number, text: string, holds: boolean): Row => ({
    part: 'c',
    what: `${count} objects: ${what}`,
    unit,
    samples: [value],
    ...(isLimited ? { limit: { text, holds } } : {}),
  });
  return [
    row('queries an interval', 'queries', perInterval, 'at most 10', perInterval <= 10),
    row('writes in a minute at rest', 'writes', writes, 'none', writes === 0),
    row('resident memory', 'MiB', memory, 'at most 150', memory <= 150),
    row('CPU', 'cores', cores, 'at most 0.1', cores <= 0.1),
  ];
}

/** How long a new process takes until it is ready. */
async function measureStart(
  operator: OperatorHandle,
  count: number,
): Promise<readonly [OperatorHandle, Row]> {
  await operator.stop();
  const beganMs = performance.now();
  const next = await operator.restart();
  const seconds = (performance.now() - beganMs) / 1000;
  const what = `${count} objects: start to ready`;
  const limit = { text: 'at most 3', holds: seconds <= 3 };
  const row = { part: 'c', what, unit: 's', samples: [seconds] };
  return [next, count === 1_000 ? { ...row, limit } : row];
}

export async function measureFleet(
  bench: Bench,
  operator: OperatorHandle,
  count: number,
  warmSeconds: number,
): Promise<{ rows: readonly Row[]; members: readonly Member[]; operator: OperatorHandle }> {
  const prefix = `part-c-${count}`;
  const members = await createFleet(bench, { prefix, count, replicas: 1, spec });
  await rollOut(bench, members, 'v2');
  const [next, started] = await measureStart(operator, count);
  const rows = await rowsAtRest(bench, next, count, warmSeconds);
  return { rows: [...rows, started], members, operator: next };
}

/** Twenty of the fleet breach in the same second. */
export async function measureBurst(
  bench: Bench,
  members: readonly Member[],
): Promise<readonly Row[]> {
  const { client } = bench.cluster;
  const chosen = members.filter((_, i) => i % Math.floor(members.length / 20) === 0).slice(0, 20);
  const signals = [{ name: 'errorRate', rollback: { above: '10%', for: '30s' } }];
  await forEach(chosen, (member) => client.patch(pathOf(member), { spec: { signals } }));
  await whenAll(client, chosen, 'judged by the shorter hold', () => true);
  const canaries = new Map<Member, string>();
  await forEach(chosen, async (member) => {
    canaries.set(member, (await statusOf(client, member))?.canary?.replicaSet ?? '');
  });
  const bare = await barePatches(
    bench,
    members.filter((member) => !chosen.includes(member)).slice(0, 20),
    20,
    true,
  );
  await delay(30_000);
  const newWrites = bench.writesFromNow();
  const failingSinceMs = Date.now() + 1_000;
  for (const member of chosen) {
    const exported = bench.exporter.revisions.get(`${member.namespace}/${canaries.get(member)}`);
    if (exported !== undefined) exported.failingSinceMs = failingSinceMs;
  }
  await whenAll(client, chosen, 'rolled back', ({ phase }) => phase === 'RolledBack');
  const writes: Write[] = [];
  const found = () => rollbacksOf(bench, chosen, writes, (member) => canaries.get(member) ?? '');
  await waitFor('the audit log', async () => {
    writes.push(...newWrites());
    return found().length === chosen.length;
  });
  const moved = found().map(({ answerToPatchMs }) => answerToPatchMs);
  const part = 'd';
  return [
    { part, what: '20 of 1,000 at once: answer to route patched', unit: 'ms', samples: moved },
    { part, what: '20 bare PATCHes at once', unit: 'ms', samples: bare },
    ...ratios(part, moved, bare, { median: 5, worst: 20 }),
  ];
}
