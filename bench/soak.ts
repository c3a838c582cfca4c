// The soak: two replicas look after 200 objects for half an hour, one of them gets a new revision
// every ten seconds, and of each it is known whether it is good. The API server and Prometheus are
// restarted meanwhile. It exits 1 when a verdict is wrong, a rollout is stuck, or memory grows.
//
//   make soak             30 minutes
//   make soak MINUTES=10  a shorter look, whose windows for memory are shorter as well
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../src/api/schema.ts';
import type { OperatorHandle } from '../test/cluster/operator.ts';
import { waitFor } from '../test/cluster/process.ts';
import { say, startBench } from './bench.ts';
import type { Bench } from './bench.ts';
import { createFleet, exportPods, pathOf, statusOf, templateOf } from './fleet.ts';
import type { Member } from './fleet.ts';
import { rowsOf } from './soakReport.ts';
import type { Course, Left, MemorySample, Outcome } from './soakReport.ts';
import { lineOf, writeSection } from './table.ts';

const minutes = Number(process.env['MINUTES'] ?? 30);
const objects = 200;
const everyMs = 10_000;
/** Those that roll, one after the other: few enough that their histories are full early. */
const rolling = 12;
const spec = {
  canary: { steps: [{ weight: 20, hold: '15s' }], drainDelay: '1s' },
  revisionHistoryLimit: 1,
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '10s' }, minRequests: 20 },
    {
      name: 'latencyP95',
      // A boundary of the exporter's buckets: one in ten of its requests takes over 100 ms.
      critical: { above: '250ms' },
      rollback: { above: '500ms', for: '10s' },
      minRequests: 20,
    },
    { name: 'availability', rollback: { below: '0.01%', for: '10s' } },
  ],
};
/** After which of the minutes, of thirty, what is restarted. */
const restarts = [
  [6, 'kube-apiserver'],
  [8, 'bench-prometheus'],
  [17, 'kube-apiserver'],
  [20, 'bench-prometheus'],
] as const;
/** A rollout that takes longer, less the restarts, is stuck. */
const patientMs = 240_000;

const scaled = (minute: number): number => (minute / 30) * minutes * 60_000;

/** An operator that is started again when it ends, as a kubelet would, and tells what it keeps. */
class Replica {
  readonly #bench: Bench;
  readonly #file: string;
  #operator: OperatorHandle | undefined;
  #stopping = false;
  restarts = 0;

  constructor(bench: Bench) {
    this.#bench = bench;
    this.#file = join(mkdtempSync(join(bench.cluster.folder, 'left-')), 'left.json');
  }

  async start(): Promise<void> {
    const hook = join(import.meta.dirname, '../test/cluster/scenarios/collectOnSignal.ts');
    const env = { NODE_OPTIONS: `--import=${hook}`, X0TTA_LEFT: this.#file };
    this.#operator = await this.#bench.startOperator({ env });
    void this.#keepRunning(this.#operator);
  }

  async #keepRunning(first: OperatorHandle): Promise<void> {
    for (let operator = first; ;) {
      const end = await operator.exited;
      if (this.#stopping) return;
      this.restarts += 1;
      say(`a replica ended with ${end} and is started again`);
      operator = await operator.restart();
      this.#operator = operator;
    }
  }

  async leads(): Promise<boolean> {
    return (await this.#operator?.sumOf('x0tta_leader').catch(() => 0)) === 1;
  }

  /** After a full collection. */
  async left(): Promise<Left> {
    rmSync(this.#file, { force: true });
    const operator = this.#operator;
    operator?.kill('SIGUSR2');
    const told = await waitFor(
      'what is left',
      () => JSON.parse(readFileSync(this.#file, 'utf8')) as Omit<Left, 'pid'>,
    );
    return { pid: operator?.pid ?? 0, ...told };
  }

  stop(): void {
    this.#stopping = true;
  }
}

/** Gives one object a new revision, and waits for what the operator makes of it. */
async function rollOne(
  bench: Bench,
  member: Member,
  version: string,
  isBad: boolean,
): Promise<Outcome> {
  const { client } = bench.cluster;
  const key = `${member.namespace}/${member.name}`;
  const retried = <T>(work: () => Promise<T>): Promise<T> =>
    waitFor(`the API server to take ${version} of ${key}`, work, patientMs);
  const done = (wrong: string | null): Outcome => ({ key, version, isBad, wrong });
  await retried(() =>
    client.patch(pathOf(member), { spec: { template: templateOf(member.name, version) } }),
  );
  let last: Status | undefined;
  const seen = async (what: string, holds: (status: Status) => boolean): Promise<Status | null> => {
    const check = async (): Promise<Status | undefined> => {
      // A lookup a second for each, so that who waits costs less than what is measured.
      await delay(1_000);
      last = await statusOf(client, member);
      return last !== undefined && holds(last) ? last : undefined;
    };
    return waitFor(`${key} ${what}`, check, patientMs).catch(() => null);
  };
  const started = await seen('in traffic', ({ canary }) => (canary?.weight ?? 0) > 0);
  const canary = started?.canary;
  if (canary?.revision === undefined) return done(`stuck before traffic: ${JSON.stringify(last)}`);
  await retried(() => exportPods(bench, new Set([member.namespace])).then(() => true));
  const exported = bench.exporter.revisions.get(`${member.namespace}/${canary.replicaSet}`);
  if (exported === undefined) return done(`no pod of ${canary.replicaSet} was exported`);
  if (isBad) exported.failingSinceMs = Date.now() + 4_000;
  const end = await seen('at its end', ({ phase, stable, rejected }) => {
    const promoted = phase === 'Stable' && stable?.revision === canary.revision;
    const judged = rejected?.some(({ revision }) => revision === canary.revision) ?? false;
    return promoted || (judged && phase === 'RolledBack');
  });
  // One that is gone is not scraped any more.
  const keep = end?.stable?.replicaSet;
  for (const [name, { namespace }] of bench.exporter.revisions) {
    const isOld = name.startsWith(`${key}-`) && name !== `${namespace}/${keep}`;
    if (isOld) bench.exporter.revisions.delete(name);
  }
  if (end === null) return done(`stuck: ${JSON.stringify(last)}`);
  const rolledBack = end.phase === 'RolledBack';
  const incident = end.incidents?.[0];
  if (rolledBack !== isBad) return done(`${end.phase}, for ${JSON.stringify(incident)}`);
  if (isBad && incident?.alert !== 'HIGH_ERROR_RATE') return done(`for ${incident?.alert}`);
  return done(null);
}

/** Starts the rollouts as their time comes, and tells how each ended. */
class Rollouts {
  readonly outcomes: Outcome[] = [];
  readonly #bench: Bench;
  readonly #idle: Member[];
  readonly #running = new Set<Promise<void>>();
  missed = 0;

  constructor(bench: Bench, members: readonly Member[]) {
    this.#bench = bench;
    this.#idle = [...members];
  }

  /** Gives the object that was idle for longest a new revision. */
  begin(number: number): void {
    const member = this.#idle.shift();
    if (member === undefined) {
      this.missed += 1;
      return;
    }
    // Each object gets good ones and bad ones in turn.
    const isBad = (number + Math.floor(number / rolling)) % 2 === 1;
    const running = rollOne(this.#bench, member, `v${number + 2}`, isBad).then((outcome) => {
      this.#running.delete(running);
      this.#idle.push(member);
      this.outcomes.push(outcome);
      if (outcome.wrong !== null) say(`WRONG ${JSON.stringify(outcome)}`);
    });
    this.#running.add(running);
  }

  say(minute: number): void {
    const wrong = this.outcomes.filter((outcome) => outcome.wrong !== null).length;
    const ended = `${this.outcomes.length} rollouts ended, ${this.#running.size} run`;
    say(`minute ${minute.toFixed(1)}: ${ended}, ${wrong} wrong`);
  }

  async end(): Promise<void> {
    await Promise.all(this.#running);
  }
}

async function restart(bench: Bench, name: string): Promise<void> {
  say(`restarting ${name}`);
  const component = name === 'bench-prometheus' ? bench.prometheus : bench.cluster.component(name);
  await component.stop();
  component.start();
}

async function soak(bench: Bench): Promise<Course> {
  const replicas = [new Replica(bench), new Replica(bench)];
  for (const replica of replicas) await replica.start();
  const members = await createFleet(bench, { prefix: 'soak', count: objects, replicas: 1, spec });
  await exportPods(bench, new Set(members.map(({ namespace }) => namespace)));
  const apart = Math.floor(objects / rolling);
  const chosen = members.filter((_, i) => i % apart === 0).slice(0, rolling);
  const rollouts = new Rollouts(bench, chosen);
  const beganMs = Date.now();
  const elapsed = (): number => Date.now() - beganMs;
  const samples: MemorySample[] = [];
  const due = restarts.map(([minute, name]) => ({ atMs: scaled(minute), name }));
  for (let number = 0; elapsed() < scaled(30); number++) {
    rollouts.begin(number);
    for (const replica of number % 3 === 0 ? replicas : []) {
      if (await replica.leads())
        samples.push({ minute: (30 * elapsed()) / scaled(30), ...(await replica.left()) });
    }
    const [next] = due;
    if (next !== undefined && elapsed() >= next.atMs) {
      due.shift();
      await restart(bench, next.name);
    }
    if (number % 6 === 5) rollouts.say(elapsed() / 60_000);
    await delay(Math.max(0, (number + 1) * everyMs - elapsed()));
  }
  await rollouts.end();
  for (const replica of replicas) replica.stop();
  const phases: (string | undefined)[] = [];
  for (const member of members) phases.push((await statusOf(bench.cluster.client, member))?.phase);
  return {
    outcomes: rollouts.outcomes,
    samples,
    missed: rollouts.missed,
    notRestarted: due.length,
    replicasEnded: replicas.reduce((sum, replica) => sum + replica.restarts, 0),
    unsettled: phases.filter((phase) => phase !== 'Stable' && phase !== 'RolledBack').length,
  };
}

const bench = await startBench(1);
try {
  const rows = rowsOf(await soak(bench));
  for (const row of rows) say(lineOf(row));
  if (minutes === 30) writeSection('soak', rows);
  process.exitCode = rows.every(({ limit }) => limit?.holds !== false) ? 0 : 1;
} finally {
  await bench.stop();
}
