// Edits of the steps while a canary is on its way: no hold, approval or pause is skipped by one.
import { expect } from 'chai';
import { canaryInTraffic, healthyFor, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

let cluster: FakeCluster;

const healthy = (seconds: number): void => healthyFor(cluster, seconds);

function editTo(...weights: readonly number[]): void {
  const steps = weights.map((weight) => ({ weight, hold: '10s' }));
  cluster.spec = { ...cluster.spec, canary: { ...cluster.spec.canary, steps } };
  cluster.settle();
}

function act(verb: 'pause' | 'promote' | 'resume', id: string): void {
  cluster.action = { kind: 'action', action: { verb, id, revision: null } };
  cluster.settle();
}

/** The weights of so many seconds, each change once. */
function weightsFor(seconds: number): number[] {
  const weights = [cluster.route.canaryWeight];
  for (let second = 0; second < seconds; second++) {
    healthy(1);
    if (weights.at(-1) !== cluster.route.canaryWeight) weights.push(cluster.route.canaryWeight);
  }
  return weights;
}

describe('steps that are edited while one runs', () => {
  beforeEach(() => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, bake: '30s' } });
    canaryInTraffic(cluster, 0);
  });

  it('end no hold: one that was raised begins anew', () => {
    healthy(9);
    editTo(90, 95);
    expect(weightsFor(9)).to.deep.equal([90]);
    expect(weightsFor(3)).to.deep.equal([90, 95]);
  });

  it('are raised on evidence only', () => {
    healthy(3);
    cluster.evidence = null;
    editTo(90, 95);
    expect(cluster.settle()).to.include({ check: 'weightIsNotTheSteps' });
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('are raised by no edit while the object is paused', () => {
    act('pause', 'tea');
    healthy(12);
    editTo(90, 95);
    healthy(20);
    expect(cluster.status?.phase).to.equal('Paused');
    expect(cluster.route.canaryWeight).to.equal(20);
    act('resume', 'on');
    expect(cluster.route.canaryWeight).to.equal(90);
  });

  it('skip nothing while the running one waits for its pods', () => {
    const steps = (...weights: readonly number[]): object[] =>
      weights.map((weight) => ({ weight, hold: '10s', approval: 'Required' as const }));
    editTo(20, 40, 60);
    healthy(12);
    expect(cluster.route.canaryWeight).to.equal(40);
    cluster.ready.set('b', 2);
    healthy(12);
    expect(cluster.record('b').step).to.equal(3);
    cluster.spec = {
      ...cluster.spec,
      canary: { ...cluster.spec.canary, steps: steps(20, 80) as never },
    };
    cluster.ready.delete('b');
    expect(weightsFor(25)).to.deep.equal([40, 80]);
    expect(cluster.status?.phase).to.equal('AwaitingApproval');
  });

  it('lead to no bake when the running one is gone, but to the last that is left', () => {
    healthy(14);
    expect(cluster.route.canaryWeight).to.equal(50);
    editTo(20);
    expect(cluster.route.canaryWeight).to.equal(20);
    expect(weightsFor(9)).to.deep.equal([20]);
    expect(weightsFor(3)).to.deep.equal([20, 100]);
    healthy(20);
    expect(cluster.services.stable, 'the bake is whole').to.equal('aaaaaaaaaa');
  });

  it('go on with the first that gives at least as much when the running one is gone', () => {
    healthy(14);
    editTo(60);
    expect(weightsFor(9)).to.deep.equal([60]);
    expect(weightsFor(3)).to.deep.equal([60, 100]);
  });

  it('leave a bake alone, and a step whose weight stays', () => {
    healthy(5);
    editTo(20, 70);
    expect(weightsFor(6)).to.deep.equal([20, 70]);
    act('promote', 'now');
    healthy(10);
    expect(cluster.status?.phase).to.equal('Baking');
    editTo(10, 20, 40, 80);
    editTo(10);
    expect(cluster.route.canaryWeight).to.equal(100);
    healthy(21);
    expect(cluster.services.stable).to.equal('b');
  });

  it('need a new approval for a step of another weight', () => {
    const steps = (weight: number) => [{ weight, approval: 'Required' as const }];
    cluster.spec = { ...cluster.spec, canary: { ...cluster.spec.canary, steps: steps(20) } };
    cluster.settle();
    cluster.action = { kind: 'action', action: { verb: 'approve', id: 'yes', revision: null } };
    cluster.settle();
    cluster.spec = { ...cluster.spec, canary: { ...cluster.spec.canary, steps: steps(80) } };
    healthy(20);
    expect(cluster.route.canaryWeight).to.equal(80);
    expect(cluster.status?.phase).to.equal('AwaitingApproval');
  });
});
