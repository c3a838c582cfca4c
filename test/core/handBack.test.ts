// When the operator takes its own entry out of the routes' managedFields: at rest, after everything
// else, and once.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { Command, Observation, Outcome } from '../../src/core/model.ts';
import { foldStatus } from '../../src/core/status.ts';
import { breaching, canaryInTraffic, healthyFor, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

let cluster: FakeCluster;

function kinds(commands: readonly Command[]): string[] {
  return commands.map(({ kind }) => kind);
}

function handBacks(): number {
  return kinds(cluster.carriedOut).filter((kind) => kind === 'handBackRoutes').length;
}

function act(verb: 'pause' | 'promote'): void {
  cluster.action = { kind: 'action', action: { verb, id: verb, revision: null } };
  cluster.settle();
}

/** Read back, its service turned, and its pods still there for the drain. */
function rolledBack(): void {
  canaryInTraffic(cluster);
  breaching(cluster, 7);
  expect(cluster.settle().phase).to.equal('RolledBack');
  expect(cluster.revisions.get('b')?.replicas).to.equal(1);
}

describe("the operator's own entry on a route", () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
  });

  const decided = (change: Partial<Observation>): string[] =>
    kinds(decide({ ...cluster.observe(), ...change }).commands);

  it('stands from the first weight until the canary of a rollback is drained', () => {
    rolledBack();
    expect(cluster.route.fieldsOwned, 'in the drain').to.equal(true);
    cluster.nowMs += 5_000;
    expect(kinds(cluster.pass().commands)).to.deep.equal(['writeRevision']);
    expect(cluster.revisions.get('b')?.replicas).to.equal(0);
    expect(kinds(cluster.pass().commands)).to.deep.equal(['handBackRoutes']);
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(cluster.route).to.include({ fieldsOwned: false, canaryWeight: 0, verdict: 'rejected' });
    expect(handBacks()).to.equal(1);
  });

  it('goes after a promotion, when the revision before is drained', () => {
    canaryInTraffic(cluster, 0);
    act('promote');
    for (let second = 0; second < 30 && cluster.services.stable !== 'b'; second++) {
      healthyFor(cluster, 1);
    }
    expect(cluster.status?.phase).to.equal('Stable');
    expect(cluster.revisions.get('aaaaaaaaaa')?.replicas, 'in the drain').to.equal(4);
    expect(cluster.route.fieldsOwned, 'in the drain').to.equal(true);
    healthyFor(cluster, 5);
    expect(cluster.revisions.get('aaaaaaaaaa')?.replicas).to.equal(0);
    expect(cluster.route).to.include({ fieldsOwned: false, verdict: 'none' });
    expect(handBacks()).to.equal(1);
  });

  it('goes in mode Observe as well', () => {
    const observe = { ...spec, canary: { ...spec.canary, mode: 'Observe' } } as const;
    cluster = new FakeCluster(observe);
    canaryInTraffic(cluster, 0);
    act('promote');
    healthyFor(cluster, 30);
    expect(cluster.status?.stable?.revision).to.equal('b');
    expect(cluster.route.fieldsOwned).to.equal(false);
  });

  it('stays while a canary is paused, has lost its pods, or its spec is invalid', () => {
    canaryInTraffic(cluster);
    act('pause');
    expect(cluster.settle().phase).to.equal('Paused');
    expect(cluster.route.fieldsOwned, 'paused').to.equal(true);
    cluster.broken.set('b', 'ContainerCreating');
    cluster.settle();
    expect(cluster.route).to.include({ canaryWeight: 0, fieldsOwned: true });
    const policy = { kind: 'invalid', messages: ['no'] } as const;
    expect(decided({ policy }), 'invalid').to.deep.equal([]);
    expect(handBacks()).to.equal(0);
  });

  it('stays while the routes were not read back, and while another writer gives weight', () => {
    rolledBack();
    cluster.nowMs += 5_000;
    cluster.pass();
    cluster.route.canaryWeight = 5;
    expect(decided({})).to.include('setWeights').and.not.include('handBackRoutes');
    cluster.route.canaryWeight = 0;
    expect(decided({})).to.deep.equal(['handBackRoutes']);
    cluster.services.canary = 'b';
    expect(decided({}), 'the canary service is elsewhere').to.not.include('handBackRoutes');
  });

  it('stays while a canary without pods is paused', () => {
    cluster.settle();
    cluster.desired = 'b';
    expect(kinds(cluster.pass().commands)).to.deep.equal(['createReplicaSet']);
    act('pause');
    cluster.route.fieldsOwned = true;
    expect(cluster.settle()).to.include({ check: 'rolloutIsPaused' });
    expect(cluster.revisions.get('b')?.replicas).to.equal(0);
    expect(handBacks()).to.equal(0);
  });

  it('goes though the next template can not be carried out', () => {
    rolledBack();
    cluster.nowMs += 5_000;
    cluster.pass();
    cluster.desired = 'c';
    const replicaSetProblem = { reason: 'InvalidTemplate', message: 'no' } as const;
    expect(decided({ replicaSetProblem })).to.deep.equal(['handBackRoutes']);
    expect(decided({}), 'else the next canary comes').to.deep.equal(['createReplicaSet']);
  });

  it('is not taken where the route carries the rollout of another object', () => {
    rolledBack();
    cluster.nowMs += 5_000;
    cluster.pass();
    expect(decided({ routeOwners: ['mesh/other'] })).to.deep.equal([]);
    const [own = null] = cluster.observe().routes;
    const two = { routes: [own, own], routeOwners: ['mesh/other', null] };
    expect(decided(two), 'of two routes one is free').to.deep.equal(['handBackRoutes']);
  });

  it('waits after a hand-back that failed, and says when it looks again', () => {
    rolledBack();
    cluster.nowMs += 5_000;
    cluster.pass();
    cluster.handBackNotBeforeMs = cluster.nowMs + 60_000;
    const waiting = cluster.settle();
    expect(waiting.commands).to.deep.equal([]);
    expect(waiting.lookAgainAtMs).to.equal(cluster.handBackNotBeforeMs);
    cluster.nowMs += 60_000;
    cluster.settle();
    expect(cluster.route.fieldsOwned).to.equal(false);
  });

  it('holds no answer to an action back where it can not go', () => {
    canaryInTraffic(cluster);
    cluster.action = { kind: 'action', action: { verb: 'rollback', id: 'x', revision: null } };
    cluster.settle();
    cluster.nowMs += 5_000;
    cluster.settle();
    cluster.route.fieldsOwned = true;
    const { lastActions: answers, ...status } = cluster.status ?? {};
    expect(answers?.map(({ result }) => result)).to.deep.equal(['Done']);
    cluster.status = status;
    const decision = decide(cluster.observe());
    const outcomes = decision.commands.map((command): Outcome => {
      return { kind: 'putOff', command, message: 'not allowed' };
    });
    expect(outcomes).to.have.lengthOf(1);
    expect(foldStatus(decision, outcomes).lastActions).to.have.lengthOf(1);
  });

  it('goes before the finalizer, after the release that made it anew', () => {
    rolledBack();
    cluster.nowMs += 5_000;
    cluster.settle();
    cluster.finalizing = true;
    const { commands } = cluster.pass();
    expect(kinds(commands)).to.deep.equal(['releaseRoutes', 'handBackRoutes', 'removeFinalizer']);
    expect(cluster.route.fieldsOwned).to.equal(false);
  });
});
