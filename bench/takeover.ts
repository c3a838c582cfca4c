// Part f: how long the traffic of a bad canary stays when the leading Pod goes in the middle of the
// rollback: deleted, its container killed, its process stopped. Real Pods from the chart, a real
// gateway and load.
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditedWrite } from '../test/cluster/auditLog.ts';
import { startCluster } from '../test/cluster/cluster.ts';
import type { Cluster } from '../test/cluster/cluster.ts';
import { runCommand } from '../test/cluster/command.ts';
import {
  fastPrometheus,
  helmOf,
  installChart,
  leaderOf,
  rolledOut,
  systemNamespace,
} from '../test/cluster/install/installation.ts';
import type { OperatorPod } from '../test/cluster/install/installation.ts';
import { waitFor } from '../test/cluster/process.ts';
import type { Route, SpecChange } from '../test/cluster/scenarios/stage.ts';
import { app, Stage } from '../test/cluster/scenarios/stage.ts';
import { say } from './bench.ts';
import type { Row } from './table.ts';

/** Long enough to see a breach begin, and to be there at its end. */
const spec: SpecChange = {
  canary: { steps: [{ weight: 20, hold: '10m' }], drainDelay: '1s' },
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '8s' }, minRequests: 20 },
    { name: 'latencyP95', rollback: { above: '500ms', for: '8s' }, minRequests: 20 },
    { name: 'availability', rollback: { below: '0.01%', for: '8s' } },
  ],
};
const runs = 3;
/** Before the end of the hold, whose evidence arrives a second after it. */
const earlierMs = 300;
/** Those of the chart: the lease, two retry periods, and a second. */
const lostLeaderSeconds = 15 + 2 * 2 + 1;

interface Disturbance {
  readonly what: string;
  readonly limitSeconds: number;
  /** Does it, and returns how it is undone. */
  readonly begin: (cluster: Cluster, leader: OperatorPod) => Promise<() => void>;
}

const nothing = (): void => undefined;

const disturbances: readonly Disturbance[] = [
  {
    what: "leader's Pod deleted",
    limitSeconds: 2,
    begin: async (cluster, { metadata }) => {
      const path = `/api/v1/namespaces/${systemNamespace}/pods/${metadata.name}`;
      await cluster.client.delete(path);
      return nothing;
    },
  },
  {
    what: "leader's container killed (SIGKILL)",
    limitSeconds: lostLeaderSeconds,
    begin: async (_, leader) => {
      process.kill(await processOf(leader), 'SIGKILL');
      return nothing;
    },
  },
  {
    what: "leader's process stopped (SIGSTOP)",
    limitSeconds: lostLeaderSeconds,
    begin: async (_, leader) => {
      const pid = await processOf(leader);
      process.kill(pid, 'SIGSTOP');
      return () => process.kill(pid, 'SIGCONT');
    },
  },
];

/** Id of the process of a Pod's container, as this namespace of processes has it. */
async function processOf({ status }: OperatorPod): Promise<number> {
  const id = status.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '';
  const tasks = await runCommand('ctr', ['--namespace', 'k8s.io', 'tasks', 'list']);
  const pid = new RegExp(`^${id} +(\\d+) `, 'm').exec(tasks)?.[1];
  if (id === '' || pid === undefined) throw new Error(`no task of container ${id}:\n${tasks}`);
  return Number(pid);
}

/** The write that put the route's canary at 0, once there is one. */
function restoringWrite(stage: Stage, sinceMs: number): Promise<AuditedWrite> {
  return waitFor('the traffic back at stable', () =>
    stage.writes().find(({ objectRef, stageTimestamp, responseObject }) => {
      if (objectRef.resource !== 'httproutes' || Date.parse(stageTimestamp) < sinceMs) return false;
      const refs = (responseObject as Route | undefined)?.spec?.rules[0]?.backendRefs ?? [];
      return refs.some(({ name, weight }) => name === `${app}-canary` && weight === 0);
    }),
  );
}

/** Name of the Pod whose token a write was made with. */
function writerOf({ user }: AuditedWrite): string {
  return user.extra?.['authentication.kubernetes.io/pod-name']?.[0] ?? 'no pod';
}

async function measureOne(
  cluster: Cluster,
  { what, begin }: Disturbance,
  number: number,
): Promise<number> {
  const stage = await Stage.open(cluster, 'takeover');
  await stage.applyAll(stage.template('v1'), spec);
  await stage.phase('Stable');
  const load = await stage.startLoad(60);
  try {
    const env = { ERROR_RATIO: '0.5', ERROR_AFTER_SECONDS: '10' };
    await stage.apply(stage.template('v2', env), spec);
    const { signals } = await stage.status('a breach that runs', (status) =>
      Boolean(status.signals?.some((each) => each.holdUntil !== undefined)),
    );
    const ends = signals?.flatMap(({ holdUntil }) => (holdUntil === undefined ? [] : [holdUntil]));
    const dueMs = Date.parse(ends?.[0] ?? '');
    const leader = await leaderOf(cluster);
    await delay(Math.max(0, dueMs - earlierMs - Date.now()));
    const begunMs = Date.now();
    const undo = await begin(cluster, leader.pod);
    const write = await restoringWrite(stage, begunMs);
    const seconds = (Date.parse(write.stageTimestamp) - Math.max(begunMs, dueMs)) / 1000;
    const by = writerOf(write) === leader.pod.metadata.name ? 'the same Pod' : 'another Pod';
    say(`part f, ${what}, run ${number}: ${seconds.toFixed(2)} s, by ${by}`);
    await waitFor(`another process than ${leader.identity} to lead`, async () => {
      return (await leaderOf(cluster)).identity !== leader.identity;
    });
    undo();
    await stage.phase('RolledBack', 120_000);
    return seconds;
  } finally {
    await load.stop();
    await stage.close();
    await rolledOut(cluster);
  }
}

/** Three runs of each; seconds from the disturbance, or from the end of the hold if that is later. */
export async function measureTakeovers(): Promise<readonly Row[]> {
  const cluster = await startCluster({ profile: 'gateway', log: say });
  try {
    await installChart(cluster, helmOf(cluster, 'helm'), ...fastPrometheus);
    const rows: Row[] = [];
    for (const disturbance of disturbances) {
      const samples: number[] = [];
      for (let run = 1; run <= runs; run++) {
        samples.push(await measureOne(cluster, disturbance, run));
      }
      const { what, limitSeconds } = disturbance;
      const holds = samples.every((seconds) => seconds <= limitSeconds);
      rows.push({
        part: 'f',
        what: `${what} mid-rollback: until the traffic is back`,
        unit: 's',
        samples,
        limit: { text: `at most ${limitSeconds}`, holds },
      });
    }
    return rows;
  } finally {
    await cluster.stop();
  }
}
