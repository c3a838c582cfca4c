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
/** Windows of minutes, of thirty, whose mean memory is compared. */
const early = [10, 15] as const;
const late = [25, 30] as const;
const mayGrow = 1.05;
/** A rollout that takes longer, less the restarts, is stuck. */
const patientMs = 240_000;

const scaled = (minute: number): number => (minute / 30) * minutes * 60_000;

/** A revision whose truth is known, and what became of it. */
interface Outcome {
  readonly key: string;
  readonly version: string;
  readonly isBad: boolean;
  readonly wrong: string | null;
}

interface Left {
  readonly pid: number;
  readonly heapUsed: number;
  readonly resident: number;
}

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

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

interface MemorySample extends Left {
  readonly atMs: number;
}

/** A process that began in between would hide what the one before it had kept. */
function memoryVerdict(samples: readonly MemorySample[]): boolean {
  const inWindow = ([from, to]: readonly [number, number]): readonly MemorySample[] =>
    samples.filter(({ atMs }) => atMs >= scaled(from) && atMs < scaled(to));
  const [first, last] = [inWindow(early), inWindow(late)];
  const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);
  const compare = (name: 'heapUsed' | 'resident'): number => {
    const [before, after] = [
      mean(first.map((each) => each[name])),
      mean(last.map((each) => each[name])),
    ];
    const ratio = after / before;
    say(`${name}: ${mib(before)} MiB, then ${mib(after)} MiB: ${ratio.toFixed(3)} times`);
    return ratio;
  };
  say(`memory of the leader after a full collection, ${first.length} and ${last.length} samples`);
  const leaders = new Set([...first, ...last].map(({ pid }) => pid));
  if (leaders.size !== 1) say(`${leaders.size} processes led meanwhile, so nothing is compared`);
  const [heap, resident] = [compare('heapUsed'), compare('resident')];
  return leaders.size === 1 && heap <= mayGrow && resident <= mayGrow;
}

async function soak(bench: Bench): Promise<boolean> {
  const replicas = [new Replica(bench), new Replica(bench)];
  for (const replica of replicas) await replica.start();
  const members = await createFleet(bench, { prefix: 'soak', count: objects, replicas: 1, spec });
  await exportPods(bench, new Set(members.map(({ namespace }) => namespace)));
  const apart = Math.floor(objects / rolling);
  const rollers = members.filter((_, i) => i % apart === 0).slice(0, rolling);
  const beganMs = Date.now();
  const elapsed = (): number => Date.now() - beganMs;
  const outcomes: Outcome[] = [];
  const busy = new Set<Member>();
  const running: Promise<void>[] = [];
  const samples: MemorySample[] = [];
  const due = restarts.map(([minute, name]) => ({ atMs: scaled(minute), name }));
  let waited = 0;

  const begin = (member: Member, number: number): void => {
    busy.add(member);
    // Each object gets good ones and bad ones in turn.
    const isBad = (number + Math.floor(number / rolling)) % 2 === 1;
    const rollout = rollOne(bench, member, `v${number + 2}`, isBad);
    running.push(
      rollout.then((outcome) => {
        busy.delete(member);
        outcomes.push(outcome);
        if (outcome.wrong !== null) say(`WRONG ${JSON.stringify(outcome)}`);
      }),
    );
  };

  for (let number = 0; elapsed() < scaled(30); number++) {
    const free = rollers.find((member) => !busy.has(member));
    if (free === undefined) waited += 1;
    else begin(free, number);
    // In turn, so that each has as many as another.
    if (free !== undefined) rollers.push(...rollers.splice(rollers.indexOf(free), 1));
    if (number % 3 === 0) {
      for (const replica of replicas) {
        if (!(await replica.leads())) continue;
        samples.push({ atMs: elapsed(), ...(await replica.left()) });
      }
    }
    if (due[0] !== undefined && elapsed() >= due[0].atMs) {
      const { name } = due.shift() ?? due[0];
      say(`restarting ${name}`);
      const component =
        name === 'bench-prometheus' ? bench.prometheus : bench.cluster.component(name);
      await component.stop();
      component.start();
    }
    if (number % 6 === 5) {
      const wrong = outcomes.filter((outcome) => outcome.wrong !== null).length;
      const minute = (elapsed() / 60_000).toFixed(1);
      say(`minute ${minute}: ${outcomes.length} rollouts ended, ${busy.size} run, ${wrong} wrong`);
    }
    await delay(Math.max(0, (number + 1) * everyMs - elapsed()));
  }
  await Promise.all(running);
  for (const replica of replicas) replica.stop();
  const wrong = outcomes.filter((outcome) => outcome.wrong !== null);
  const bad = outcomes.filter(({ isBad }) => isBad).length;
  const restarted = replicas.map((replica) => replica.restarts).join(' and ');
  say(`${outcomes.length} rollouts, ${bad} of them bad; ${wrong.length} ended wrong or stuck`);
  say(`${waited} times every object that rolls was busy; replicas restarted ${restarted} times`);
  const unsettled: string[] = [];
  for (const member of members) {
    const phase = (await statusOf(bench.cluster.client, member))?.phase;
    if (phase !== 'Stable' && phase !== 'RolledBack') unsettled.push(`${member.name}: ${phase}`);
  }
  say(`objects that are neither Stable nor RolledBack: ${unsettled.join(', ') || 'none'}`);
  const memoryHolds = memoryVerdict(samples);
  const isWhole = waited === 0 && due.length === 0;
  if (!isWhole) say('it was no whole soak: a rollout or a restart that was due did not come');
  return isWhole && wrong.length === 0 && unsettled.length === 0 && memoryHolds;
}

const bench = await startBench(1);
try {
  process.exitCode = (await soak(bench)) ? 0 : 1;
} finally {
  await bench.stop();
}
