// A life in which an operator does all that it can do: rollouts with their ends, a retry, a history
// that is cut, another leader, and objects that are deleted, orphaned and made anew.
import { expect } from 'chai';
import type { Cluster } from '../cluster.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { failing, healthy } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { startHoldingProxy } from './holdingProxy.ts';
import { openRollout } from './rollouts.ts';
import type { Rollout } from './rollouts.ts';
import { app } from './stage.ts';
import type { SpecChange } from './stage.ts';

export interface LifeOptions {
  readonly cluster: Cluster;
  readonly metrics: FakePrometheus;
  /** Starts an operator; by way of a proxy, if one is given. */
  readonly start: (apiUrl?: string) => Promise<OperatorHandle>;
}

const kinds = ['HTTPRoute', 'GRPCRoute'] as const;

function changeOf(hold: string): SpecChange {
  return {
    revisionHistoryLimit: 1,
    traffic: { service: app, gatewayAPI: { routes: kinds.map((kind) => ({ kind, name: app })) } },
    canary: { steps: [{ weight: 20, hold }], bake: '1s', drainDelay: '1s' },
  };
}

/** Needs stand-ins for pods and for a gateway. All operators are ended in the end. */
export async function liveThrough({ cluster, metrics, start }: LifeOptions): Promise<void> {
  const operators: OperatorHandle[] = [];
  // One that streams no lists makes the operator read them in pages.
  const proxy = await startHoldingProxy(cluster);
  proxy.streamNoLists();
  try {
    const leader = await start();
    operators.push(leader);
    const rollout = await openRollout(cluster, 'life', metrics);
    await rollOut(rollout);
    const next = await start(proxy.url);
    operators.push(next);
    await leader.stop();
    await crashAndReturn(rollout);
    operators.push(await next.restart());
    await rollout.stage.close();
    await orphanAndReturn(await openRollout(cluster, 'left', metrics));
  } finally {
    for (const operator of operators) await operator.stop();
    await proxy.close();
  }
}

/** Three revisions: one promoted, the next rolled back and promoted when it is tried again. */
async function rollOut({ stage, begin, roll, report }: Rollout): Promise<void> {
  const grpc = structuredClone(stage.route()) as unknown as { kind: string; spec: Rules };
  grpc.kind = 'GRPCRoute';
  for (const rule of grpc.spec.rules) delete rule.matches;
  await stage.cluster.apply([grpc]);
  const becomesStable = (revision: string | undefined): Promise<unknown> =>
    stage.status(`revision ${revision} to be stable`, ({ phase, stable }) => {
      return phase === 'Stable' && stable?.revision === revision;
    });
  await begin(changeOf('2s'));
  const second = await roll('v2', healthy, changeOf('2s'));
  await becomesStable(second.canary?.revision);
  const third = await roll('v3', failing, changeOf('1h'));
  await stage.phase('RolledBack');
  report(third, healthy);
  await stage.apply(stage.template('v3'), changeOf('2s'));
  await stage.act('retry/again');
  await becomesStable(third.canary?.revision);
  await waitFor('the oldest ReplicaSet gone', async () => {
    return (await stage.replicaSets()).length === 2;
  });
}

interface Rules {
  readonly rules: readonly { matches?: unknown }[];
}

async function crashAndReturn({ stage, roll }: Rollout): Promise<void> {
  await roll('v4', healthy, changeOf('1h'));
  await stage.breakCanary();
  await stage.phase('RolledBack');
}

/** What serves outlives the object, and an object of its name can't have it. */
async function orphanAndReturn({ stage, begin }: Rollout): Promise<void> {
  const http = { service: app, gatewayAPI: { routes: [{ kind: 'HTTPRoute', name: app }] } };
  await begin({ ...changeOf('2s'), traffic: http, deletionPolicy: 'Orphan' });
  await stage.close();
  const [left, ...others] = await stage.replicaSets();
  expect(left?.metadata).to.not.have.property('ownerReferences');
  expect(others).to.deep.equal([]);
  await stage.apply(stage.template('v1'), { traffic: { service: app } });
  await stage.status('the name to be taken', ({ conditions }) => {
    return conditions?.some(({ reason }) => reason === 'ReplicaSetConflict') ?? false;
  });
  await stage.close();
}
