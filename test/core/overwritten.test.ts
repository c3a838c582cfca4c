// Weights that another writer raised are lowered whatever the canary waits for, and every rule of
// every route counts.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { Command, Observation, PairView, RouteView } from '../../src/core/model.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

let cluster: FakeCluster;

/** Step 2 is decided, and its second pod is not there yet. */
function stepTwoWaits(): void {
  cluster.ready.set('b', 1);
  cluster.nowMs += 10_000;
  breaching(cluster, 60, 0);
  expect(cluster.settle().check).to.equal('podsAreMissing');
}

function act(verb: 'pause' | 'promote'): void {
  cluster.action = { kind: 'action', action: { verb, id: verb, revision: null } };
  cluster.settle();
}

function weights(commands: readonly Command[]): string[] {
  return commands.flatMap((command) =>
    command.kind === 'setWeights' ? `${command.guard} ${command.canaryWeight}` : [],
  );
}

/** The cluster's route with rules that give the canary these percentages. */
function routeWith(...percentages: readonly number[]): RouteView {
  const [route] = cluster.observe().routes;
  if (route === null || route === undefined) throw new Error('there is no route');
  const pairs = percentages.map((canaryWeight, rule): PairView => ({
    rule,
    stable: 0,
    canary: 1,
    stableWeight: 100 - canaryWeight,
    canaryWeight,
  }));
  return { ...route, pairs };
}

describe('a weight that another writer raised', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
  });

  it('falls to that of the step before while a step waits for its pods', () => {
    stepTwoWaits();
    cluster.route.canaryWeight = 100;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
    cluster.ready.clear();
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
  });

  it('is not what the operator gave itself, where pods went missing since', () => {
    stepTwoWaits();
    cluster.ready.clear();
    cluster.routeAccepted = false;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
    cluster.ready.set('b', 1);
    const pass = cluster.pass();
    expect(pass).to.include({ check: 'weightIsTooHigh', reason: 'WaitingForPods' });
    cluster.ready.clear();
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
  });

  it('falls while the object is paused before the weight of a step', () => {
    stepTwoWaits();
    act('pause');
    cluster.ready.clear();
    cluster.route.canaryWeight = 100;
    expect(cluster.settle().check).to.equal('rolloutIsPaused');
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('falls while the spec is invalid, its steps known or not', () => {
    cluster.route.canaryWeight = 100;
    const invalid = { policy: { kind: 'invalid', messages: ['no'] } } as const;
    const obs = { ...cluster.observe(), ...invalid };
    expect(weights(decide(obs).commands)).to.deep.equal(['lower 20']);
    const standing = { ...cluster.policy, steps: [] };
    const blind = { ...obs, standing, stepsAreKnown: false };
    expect(weights(decide(blind).commands)).to.deep.equal(['lower 20']);
  });

  const second = (change: Partial<Observation>): string[] => {
    const routes = [routeWith(100), routeWith(0)];
    const obs = { ...cluster.observe(), routes, routeOwners: [null, null], ...change };
    return weights(decide(obs).commands);
  };

  it('falls on one route while another may not rise', () => {
    breaching(cluster, 2, 0.07);
    expect(second({}), 'critical').to.deep.equal(['lower 20']);
    breaching(cluster, 60, 0);
    const raiseNotBeforeMs = cluster.nowMs + 300_000;
    expect(second({ raiseNotBeforeMs }), 'backs off').to.deep.equal(['lower 20']);
  });

  it('falls before pods go, where the step was edited to less', () => {
    cluster = new FakeCluster({ ...spec, replicas: 10 });
    canaryInTraffic(cluster, 11);
    breaching(cluster, 60, 0);
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
    const steps = [5, 10].map((weight) => ({ weight, hold: '10s' }));
    cluster.spec = { ...cluster.spec, canary: { ...cluster.spec.canary, steps } };
    const { commands, reason } = cluster.pass();
    expect(weights(commands)).to.deep.equal(['lower 10']);
    expect(reason).to.equal('StepStarted');
    expect(cluster.revisions.get('b')?.replicas).to.equal(5);
    cluster.settle();
    expect(cluster.revisions.get('b')?.replicas).to.equal(1);
  });
});

describe('a rule that gives the canary less than the others', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
  });

  it('is raised with the rest', () => {
    breaching(cluster, 60, 0);
    const decision = decide({ ...cluster.observe(), routes: [routeWith(20, 0)] });
    expect(decision).to.include({ check: 'weightIsNotTheSteps', reason: 'WeightsOverwritten' });
    expect(weights(decision.commands)).to.deep.equal(['raise 20']);
  });

  it('holds the promotion up', () => {
    breaching(cluster, 60, 0);
    act('promote');
    cluster.nowMs += 30_000;
    breaching(cluster, 60, 0);
    expect(decide(cluster.observe())).to.include({ reason: 'Promoting' });
    const decision = decide({ ...cluster.observe(), routes: [routeWith(100, 0)] });
    expect(decision).to.include({ check: 'weightIsNotTheSteps' });
  });
});
