// Parts a, b and e: how long a rollback takes from the answer that completes its hold to the patch
// of the route, acknowledged, and how many writes it is, each with its name.
import { waitFor } from '../test/cluster/process.ts';
import type { Bench, Write } from './bench.ts';
import { say } from './bench.ts';
import { createFleet, forEach, rollOut, routePathOf, statusOf, whenAll } from './fleet.ts';
import type { Member } from './fleet.ts';
import { purposesOf } from './purposes.ts';
import { preciseNowMs } from './recorder.ts';
import { median } from './table.ts';
import type { Row } from './table.ts';

const spec = {
  canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '1s' },
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '6s' }, minRequests: 20 },
    { name: 'latencyP95', rollback: { above: '500ms', for: '6s' }, minRequests: 20 },
    { name: 'availability', rollback: { below: '0.01%', for: '6s' } },
  ],
};
const objects = 10;
const rounds = 5;
const apartMs = 900;
/** Without a write for so long, all of them are at rest. */
const quietMs = 5_000;

const isOurs = ({ user, resource }: Write): boolean =>
  user.endsWith(':x0tta') && resource !== 'events' && resource !== 'leases';

/** Durations of PATCHes of the objects' routes, one after the other, as a client sees them. */
export async function barePatches(
  { cluster: { client } }: Bench,
  members: readonly Member[],
  count: number,
  atOnce: boolean,
): Promise<readonly number[]> {
  const took: number[] = [];
  const patch = async (member: Member, nth: number): Promise<void> => {
    const beganMs = performance.now();
    await client.patch(routePathOf(member), [
      { op: 'test', path: '/spec/rules/0/backendRefs/0/name', value: `${member.name}-stable` },
      { op: 'add', path: '/spec/rules/0/backendRefs/0/weight', value: 100 },
      { op: 'add', path: '/spec/rules/0/backendRefs/1/weight', value: 0 },
      { op: 'add', path: '/metadata/annotations/bench.x0tta.io~1nth', value: String(nth) },
    ]);
    took.push(performance.now() - beganMs);
  };
  const list = Array.from({ length: count }, (_, i) => members[i % members.length]).filter(
    (member) => member !== undefined,
  );
  if (atOnce) await Promise.all(list.map(patch));
  else for (const [i, member] of list.entries()) await patch(member, i);
  return took;
}

export interface Rollback {
  readonly member: Member;
  /** From the last answer about the canary to the acknowledgement of the route's patch. */
  readonly answerToPatchMs: number;
  readonly writesUntilStatus: number;
  /** What each write is for, from the verdict's on. */
  readonly writes: readonly string[];
}

/** What the audit log and the recorder say of rollbacks that are over. */
export function rollbacksOf(
  bench: Bench,
  members: readonly Member[],
  writes: readonly Write[],
  canaryOf: (member: Member) => string,
): readonly Rollback[] {
  return members.flatMap((member) => {
    const own = writes.filter(
      (write) =>
        isOurs(write) && write.namespace === member.namespace && write.name.startsWith(member.name),
    );
    const exact = own.filter(
      ({ name }) => name === member.name || name.startsWith(`${member.name}-`),
    );
    const verdict = exact.findIndex(({ resource, subresource, object }) => {
      const metadata = (object as { metadata?: { annotations?: Record<string, string> } }).metadata;
      const isRoute = resource === 'httproutes' && subresource === '';
      return isRoute && metadata?.annotations?.['x0tta.io/verdict'] === 'rejected';
    });
    const patch = exact[verdict];
    if (patch === undefined) return [];
    const status = exact.findIndex(({ subresource, object }, i) => {
      const phase = (object as { status?: { phase?: string } }).status?.phase;
      return i > verdict && subresource === 'status' && phase === 'RolledBack';
    });
    const canary = canaryOf(member);
    const answer = bench.recorder.answers.findLast(
      ({ path, query, atMs }) =>
        path.includes('query_range') && query.includes(canary) && atMs < patch.receivedMs + 1,
    );
    if (answer === undefined) return [];
    return {
      member,
      answerToPatchMs: patch.doneMs - answer.atMs,
      writesUntilStatus: status - verdict + 1,
      writes: purposesOf(exact.slice(verdict)),
    };
  });
}

async function measureRound(
  bench: Bench,
  members: readonly Member[],
  version: string,
): Promise<readonly Rollback[]> {
  const { client } = bench.cluster;
  await rollOut(bench, members, version);
  const canaries = new Map<Member, string>();
  await forEach(members, async (member) => {
    canaries.set(member, (await statusOf(client, member))?.canary?.replicaSet ?? '');
  });
  const newWrites = bench.writesFromNow();
  // The windows must hold healthy points first, and the rollbacks must not come at once.
  const startMs = Date.now() + 5_000;
  for (const [i, member] of members.entries()) {
    const exported = bench.exporter.revisions.get(`${member.namespace}/${canaries.get(member)}`);
    if (exported !== undefined) exported.failingSinceMs = startMs + i * apartMs;
  }
  await whenAll(client, members, `rolled back from ${version}`, ({ phase, canary }) => {
    return phase === 'RolledBack' && canary?.replicas === 0;
  });
  const writes: Write[] = [];
  let quietSinceMs = Date.now();
  const found = (): readonly Rollback[] =>
    rollbacksOf(bench, members, writes, (member) => canaries.get(member) ?? '');
  await waitFor('the last write in the audit log', async () => {
    const more = newWrites();
    writes.push(...more);
    if (more.some(isOurs)) quietSinceMs = Date.now();
    return Date.now() - quietSinceMs > quietMs && found().length === members.length;
  });
  for (const exported of bench.exporter.revisions.values()) exported.failingSinceMs = null;
  return found();
}

/** How the measured times compare with bare PATCHes of the same run. */
export function ratios(
  part: string,
  moved: readonly number[],
  bare: readonly number[],
  limits: { readonly median: number; readonly worst: number },
): readonly Row[] {
  const row = (what: string, value: number, limit: number): Row => ({
    part,
    what: `${what} over the median bare PATCH`,
    unit: 'ratio',
    samples: [value / median(bare)],
    limit: { text: `under ${limit}`, holds: value / median(bare) < limit },
  });
  return [
    row('median', median(moved), limits.median),
    row('worst', Math.max(...moved), limits.worst),
  ];
}

/** Fifty rollbacks with stable complete (a, b), or with nine of ten of its pods ready (e). */
export async function measureRollbacks(bench: Bench, part: 'a' | 'e'): Promise<readonly Row[]> {
  const replicas = part === 'a' ? 4 : 10;
  const members = await createFleet(bench, {
    prefix: `part-${part}`,
    count: objects,
    replicas,
    spec,
  });
  if (part === 'e') await forEach(members, (member) => takePodDown(bench, member));
  const rollbacks: Rollback[] = [];
  for (let round = 0; round < rounds; round++) {
    say(`part ${part}: round ${round + 1} of ${rounds}`);
    rollbacks.push(...(await measureRound(bench, members, `v${round + 2}`)));
  }
  const bare = await barePatches(bench, members, objects * rounds, false);
  const moved = rollbacks.map(({ answerToPatchMs }) => answerToPatchMs);
  const title = part === 'a' ? 'stable complete' : '9 of 10 stable pods ready';
  const rows: Row[] = [
    { part, what: `answer to route patched, ${title}`, unit: 'ms', samples: moved },
    { part, what: 'bare PATCH of a route', unit: 'ms', samples: bare },
    ...ratios(part, moved, bare, { median: 3, worst: 10 }),
  ];
  if (part === 'e') return rows;
  const first = rollbacks.map(({ writesUntilStatus }) => writesUntilStatus);
  const all = rollbacks.map(({ writes }) => writes.length);
  const longest = rollbacks.find(({ writes }) => writes.length === Math.max(...all));
  return [
    ...rows,
    {
      part: 'b',
      what: 'API writes until status says RolledBack',
      unit: 'writes',
      samples: first,
      limit: { text: 'at most 3', holds: Math.max(...first) <= 3 },
    },
    {
      part: 'b',
      what: 'API writes of a whole rollback',
      unit: 'writes',
      samples: all,
      limit: { text: 'at most 10', holds: Math.max(...all) <= 10 },
      counted: longest?.writes ?? [],
    },
  ];
}

/** One pod of stable is not ready any more, and stays so. */
async function takePodDown(bench: Bench, { namespace, name }: Member): Promise<void> {
  const { client } = bench.cluster;
  interface Pod {
    readonly metadata: {
      readonly name: string;
      readonly labels?: Readonly<Record<string, string>>;
    };
    readonly status: { readonly conditions?: readonly { readonly type: string }[] };
  }
  const pods = await client.list<Pod>(`/api/v1/namespaces/${namespace}/pods`);
  const pod = pods.find(({ metadata }) => metadata.labels?.['app'] === name);
  if (pod === undefined) throw new Error(`${namespace}/${name} has no pod`);
  const others = (pod.status.conditions ?? []).filter(
    ({ type }) => type !== 'Ready' && type !== 'ContainersReady',
  );
  const lastTransitionTime = new Date(preciseNowMs()).toISOString().replace(/\.\d+Z$/, 'Z');
  const down = (type: string): object => ({ type, status: 'False', lastTransitionTime });
  await client.patch(`/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/status`, {
    status: { conditions: [...others, down('Ready'), down('ContainersReady')] },
  });
  const member = { namespace, name };
  await waitFor(`nine pods of ${name}`, async () => {
    return (await statusOf(client, member))?.stable?.available === 9;
  });
}
