// The order in which commands are carried out, and what ends a pass.
import { expect } from 'chai';
import { act } from '../../src/reconcile/act.ts';
import type { ActPorts } from '../../src/reconcile/act.ts';
import type { Command, RolloutMark } from '../../src/core/model.ts';
import type { WriteResult } from '../../src/kube/port.ts';
import type { RouteOutcome } from '../../src/traffic/port.ts';
import { FakeCluster } from '../core/fakeCluster.ts';

const mark: RolloutMark = { uid: 'uid-shop', revision: 'b', attempt: 1 };
const lower: Command = {
  kind: 'setWeights',
  guard: 'lower',
  canaryWeight: 0,
  mark,
  verdict: 'rejected',
  incident: null,
};
const verdict: Command = {
  kind: 'writeRevision',
  name: 'shop-b',
  uid: 'uid-b',
  resourceVersion: null,
  record: { rejected: true },
};
const scaleUp: Command = { ...verdict, name: 'shop-a', record: {}, replicas: 4 };
const readBack: Command = { kind: 'readBack' };

describe('the commands of a pass', () => {
  let calls: string[];
  let routes: RouteOutcome;
  let write: WriteResult<never>;
  let atZero: boolean;

  beforeEach(() => {
    calls = [];
    routes = { kind: 'done', route: 'shop', changed: true, atMs: 5 };
    write = { kind: 'done', object: undefined as never };
    atZero = true;
  });

  const ports = (): ActPorts => {
    const answered = async (call: string): Promise<WriteResult<never>> => {
      calls.push(call);
      return write;
    };
    return {
      clock: { nowMs: () => 7, monotonicMs: () => 0, setTimer: () => () => undefined },
      writes: {
        createReplicaSet: () => answered('create'),
        patchReplicaSet: ({ name }) => answered(`patch ${name}`),
        deleteReplicaSet: () => answered('delete'),
        createService: () => answered('create service'),
        selectPods: () => answered('select'),
        orphan: (kind, { name }) => answered(`orphan ${kind} ${name}`),
        writeFinalizers: (_, finalizers) => answered(`finalizers ${finalizers.join()}`),
        writeStatus: () => answered('status'),
        readService: () => answered('read'),
      },
      traffic: {
        read: () => [],
        carryOut: async () => {
          calls.push('routes');
          return [routes];
        },
        release: async () => [routes],
        handBack: async (_, views) => {
          calls.push(`hand back ${views.map((view) => view?.name ?? 'nothing').join()}`);
          return [routes];
        },
        readBack: async () => {
          calls.push('readBack');
          return { atZero, message: 'the canary has 20' };
        },
      },
    };
  };
  const run = async (...commands: readonly Command[]): Promise<string[]> => {
    const obs = new FakeCluster().observe();
    const outcomes = await act(commands, obs, null, ports());
    return outcomes.map(({ kind }) => kind);
  };

  it('are carried out in their order', async () => {
    expect(await run(lower, verdict, scaleUp, readBack)).to.deep.equal(Array(4).fill('done'));
    expect(calls).to.deep.equal(['routes', 'patch shop-b', 'patch shop-a', 'readBack']);
  });

  it('end with the first that fails, but for the verdict on the ReplicaSet', async () => {
    routes = { kind: 'failed', route: 'shop', reason: 'Forbidden', error: new Error('no') };
    expect(await run(lower, verdict, scaleUp, readBack)).to.deep.equal(['failed', 'done']);
    expect(calls).to.deep.equal(['routes', 'patch shop-b']);
  });

  it('end with a conflict, which is no failure', async () => {
    write = { kind: 'conflict', message: 'changed' };
    expect(await run(scaleUp, readBack)).to.deep.equal(['conflict']);
  });

  it('end where the routes, read back, still give the canary weight', async () => {
    atZero = false;
    expect(await run(readBack, scaleUp)).to.deep.equal(['notYet']);
  });

  it('count a route that is gone as done', async () => {
    routes = { kind: 'gone', route: 'shop' };
    expect(await run(lower)).to.deep.equal(['done']);
  });

  it('never turn a service of another owner', async () => {
    const service = { name: 'shop-canary', uid: 'u', resourceVersion: '1', revision: 'x' };
    const canaryService = { ...service, owned: false, ownerName: 'Deployment other' };
    const obs = { ...new FakeCluster().observe(), canaryService };
    const turn = { kind: 'applyService', role: 'canary', revision: 'b', resourceVersion: '1' };
    const [outcome] = await act([turn as Command], obs, null, ports());
    expect(outcome?.kind).to.equal('failed');
    expect(calls).to.deep.equal([]);
  });

  it('say what only a person can mend', async () => {
    const create: Command = {
      kind: 'createReplicaSet',
      revision: 'b',
      hash: 'hash',
      replicas: 0,
      record: {},
    };
    write = { kind: 'refused', message: 'spec.containers: Required value' };
    expect(await run(create)).to.deep.equal(['refused']);
    write = { kind: 'taken', message: 'exists' };
    expect(await run(create)).to.deep.equal(['refused']);
  });

  it('go on after a hand-back that fails, whatever it met', async () => {
    const handBack: Command = { kind: 'handBackRoutes' };
    const last: Command = { kind: 'removeFinalizer' };
    routes = { kind: 'failed', route: 'shop', reason: 'Forbidden', error: new Error('no') };
    expect(await run(handBack, last)).to.deep.equal(['putOff', 'done']);
    routes = { kind: 'conflict', route: 'shop', message: 'changed' };
    expect(await run(handBack, last)).to.deep.equal(['conflict', 'done']);
    const pair = ['hand back shop', 'finalizers '];
    expect(calls).to.deep.equal([...pair, ...pair]);
  });

  it('hand no route back that carries the rollout of another object', async () => {
    const [own = null] = new FakeCluster().observe().routes;
    const two = { routes: [own, own], routeOwners: ['mesh/other', null] };
    const obs = { ...new FakeCluster().observe(), ...two };
    await act([{ kind: 'handBackRoutes' }], obs, null, ports());
    expect(calls).to.deep.equal(['hand back nothing,shop']);
  });

  it('keep the finalizers of others', async () => {
    await run({ kind: 'addFinalizer' });
    expect(calls).to.deep.equal(['finalizers x0tta.io/traffic']);
  });
});
