// The whole loop under random evidence, random writers and an operator that dies anywhere: what the
// invariants forbid never happens, and it always comes to rest.
import { expect } from 'chai';
import fc from 'fast-check';
import { ACTION_VERBS } from '../../src/api/actions.ts';
import type { ActionVerb } from '../../src/api/actions.ts';
import { evidenceOf, FakeCluster } from './fakeCluster.ts';
import type { Mishap } from './fakeCluster.ts';

const spec = {
  replicas: 3,
  canary: {
    steps: [
      { weight: 10, hold: '5s' },
      { weight: 60, hold: '5s', approval: 'Required' },
    ],
    bake: '8s',
    drainDelay: '3s',
  },
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '4s' }, minRequests: 20 },
    { name: 'latencyP95', rollback: { above: '500ms', for: '4s' }, minRequests: 20 },
    { name: 'availability', rollback: { below: '0.01%', for: '4s' } },
  ],
} as const;

type Event =
  | { readonly kind: 'second'; readonly ratio: number | null }
  | { readonly kind: 'pass'; readonly mishap: Mishap }
  | { readonly kind: 'template'; readonly revision: string }
  | { readonly kind: 'break'; readonly revision: string }
  | { readonly kind: 'mend' }
  | { readonly kind: 'overwrite'; readonly weight: number }
  | { readonly kind: 'edit'; readonly weights: readonly number[] }
  | { readonly kind: 'act'; readonly verb: ActionVerb; readonly id: string }
  | { readonly kind: 'loseStatus' };

type Router = 'a router' | 'pod counts';

const templates = ['aaaaaaaaaa', 'b', 'c'];
const mishap: fc.Arbitrary<Mishap> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constant({ loseStatus: true }) },
  { weight: 2, arbitrary: fc.nat(3).map((dieAfter) => ({ dieAfter })) },
);
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('second' as const),
      ratio: fc.constantFrom(0, 0, 0, 0.07, 0.3, 0.3, null),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('pass' as const), mishap }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('template' as const),
      revision: fc.constantFrom(...templates),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('break' as const),
      revision: fc.constantFrom('b', 'c', 'aaaaaaaaaa'),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'mend' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('overwrite' as const),
      weight: fc.constantFrom(0, 30, 100),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('edit' as const),
      weights: fc.constantFrom([10, 60], [40], [10, 30, 60, 90], [90, 100]),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('act' as const),
      verb: fc.constantFrom(...ACTION_VERBS, 'approve' as const, 'promote' as const),
      id: fc.stringMatching(/^[a-z]{3}$/),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'loseStatus' as const }) },
);

/** A cluster with a stable revision, and the evidence that it gathers second by second. */
class Run {
  readonly cluster: FakeCluster;
  #ratios: (number | null)[] = [];

  constructor(router: Router) {
    const unrouted = { ...spec, traffic: { service: 'web' } };
    this.cluster = new FakeCluster(router === 'a router' ? spec : unrouted);
    this.cluster.settle();
    this.cluster.desired = 'b';
  }

  play(happened: Event): void {
    const { cluster } = this;
    switch (happened.kind) {
      case 'second':
        cluster.nowMs += 1000;
        this.#observe(happened.ratio);
        return;
      case 'pass':
        this.#pass(happened.mishap);
        return;
      case 'template':
        cluster.desired = happened.revision;
        this.#ratios = [];
        cluster.evidence = null;
        return;
      case 'break':
        cluster.broken.set(happened.revision, 'CrashLoopBackOff');
        return;
      case 'mend':
        cluster.broken.clear();
        return;
      case 'overwrite':
        cluster.route.canaryWeight = happened.weight;
        return;
      case 'edit':
        this.#edit(happened.weights);
        return;
      case 'act':
        this.act(happened.verb, happened.id);
        return;
      case 'loseStatus':
        cluster.status = undefined;
    }
  }

  #edit(weights: readonly number[]): void {
    const { cluster } = this;
    const steps = weights.map((weight) => ({ weight, hold: '5s' }));
    cluster.spec = { ...cluster.spec, canary: { ...cluster.spec.canary, steps } };
  }

  act(verb: ActionVerb, id: string): void {
    this.cluster.action = { kind: 'action', action: { verb, id, revision: null } };
  }

  /** The evidence of a second; without any, that of the seconds before goes stale. */
  #observe(ratio: number | null): void {
    this.#ratios.push(ratio);
    const startMs = this.cluster.revisions.get(this.cluster.desired)?.record.attemptStartMs;
    if (startMs === null || startMs === undefined || ratio === null) {
      this.cluster.evidence = null;
      return;
    }
    const seconds = Math.floor((this.cluster.nowMs - startMs) / 1000);
    const known = this.#ratios.slice(-Math.max(1, seconds)).filter((value) => value !== null);
    this.cluster.evidence = evidenceOf(this.cluster.nowMs, known);
  }

  #pass(how: Mishap): void {
    if (this.cluster.routed) this.#passWithRouter(how);
    else this.#passWithPods(how);
  }

  #passWithRouter(how: Mishap): void {
    const { cluster } = this;
    const before = cluster.route.canaryWeight;
    const { mark, verdict } = cluster.route;
    const selected = { ...cluster.services };
    const earlier = cluster.carriedOut.length;
    const isPaused = [...cluster.revisions.values()].some(({ record }) => record.pausedBy !== null);
    const held = cluster.revisions.get(cluster.desired)?.record.stepWeight ?? 0;
    const decision = cluster.pass(how);
    const after = cluster.route.canaryWeight;
    if (after > before) {
      if (isPaused) expect(after, 'raised while paused').to.be.at.most(held);
      expect(decision.phase, 'who raises is not rolling back').to.equal('Progressing');
      const isSame = cluster.route.mark?.revision === mark?.revision;
      const isNewer = (cluster.route.mark?.attempt ?? 0) > (mark?.attempt ?? 0);
      expect(isSame && verdict === 'rejected' && !isNewer, 'raised after the verdict').to.equal(
        false,
      );
      expect(cluster.services.canary, 'raised for the desired revision').to.equal(cluster.desired);
      expect(cluster.broken.has(cluster.desired), 'raised without pods').to.equal(false);
    }
    if (after < before && selected.canary !== selected.stable) {
      const takes = selected.stable ?? '';
      expect(cluster.broken.has(takes), 'traffic sent to no pods').to.equal(false);
    }
    const writes = cluster.carriedOut.slice(earlier);
    if (writes.some(({ kind }) => kind === 'handBackRoutes')) {
      expect(writes, 'tidied up beside other work').to.have.lengthOf(1);
      expectDrained(cluster);
    }
    if (writes.some(({ kind }) => kind === 'setWeights') && decision.incident !== undefined) {
      expect(writes[0]?.kind, 'the routes are written first').to.equal('setWeights');
    }
  }

  /** A pod that is not broken counts as available at once. */
  #passWithPods(how: Mishap): void {
    const { cluster } = this;
    const before = new Map(
      [...cluster.revisions].map(([name, { replicas, record }]) => [name, { replicas, record }]),
    );
    const available = (): number =>
      [...cluster.revisions.values()].reduce(
        (sum, { revision, replicas }) => sum + (cluster.broken.has(revision) ? 0 : replicas),
        0,
      );
    const served = available();
    const decision = cluster.pass(how);
    for (const [name, { replicas, record }] of cluster.revisions) {
      const known = before.get(name);
      if (replicas <= (known?.replicas ?? 0)) continue;
      const wasRejected = known?.record.rejected === true && record.role !== 'stable';
      const isNewer = record.attempt > (known?.record.attempt ?? 0);
      expect(wasRejected && !isNewer, 'raised after the verdict').to.equal(false);
    }
    if (decision.check === 'podsAreNotTheSteps') {
      const total = [...cluster.revisions.values()].reduce((sum, each) => sum + each.replicas, 0);
      const most = Math.max(4, ...[...before.values()].map(({ replicas }) => replicas));
      expect(total, 'within the surge').to.be.at.most(most + 1);
      expect(available(), 'no pod is missed').to.be.at.least(Math.min(served, 3));
    }
  }

  /** Time goes on with healthy evidence until nothing is left to do. */
  rest(): void {
    const { cluster } = this;
    cluster.broken.clear();
    for (let seconds = 0; seconds < 90; seconds++) {
      cluster.nowMs += 1000;
      this.#observe(0);
      const { phase } = cluster.status ?? {};
      if (phase === 'Paused') this.act('resume', `rest-${seconds}`);
      if (phase === 'AwaitingApproval') this.act('approve', `rest-${seconds}`);
      cluster.settle();
    }
  }
}

for (const router of ['a router', 'pod counts'] as const) {
  describe(`the loop with ${router}`, function () {
    // Thousands of random passes are slow on a machine with other work; none of them waits.
    this.timeout(120_000);

    it('never gives weight to what was rejected, wherever it dies', () => {
      fc.assert(
        fc.property(fc.array(event, { maxLength: 80 }), (events) => {
          const run = new Run(router);
          for (const happened of events) run.play(happened);
        }),
        { numRuns: 1_000 },
      );
    });

    it('comes to rest: on the template, or on a revision before where that is rejected', () => {
      fc.assert(
        fc.property(fc.array(event, { maxLength: 60 }), (events) => {
          const run = new Run(router);
          for (const happened of events) run.play(happened);
          run.rest();
          expectRest(run.cluster);
        }),
        { numRuns: 300 },
      );
    });
  });
}

function expectDrained({ services, revisions, route }: FakeCluster): void {
  expect(route.canaryWeight, 'tidied up with weight on the canary').to.equal(0);
  for (const { revision, replicas } of revisions.values()) {
    const isDrained = revision === services.stable || replicas === 0;
    expect(isDrained, `tidied up before the drain of ${revision}`).to.equal(true);
  }
}

function expectRest({ status, route, routed, services, desired, revisions }: FakeCluster): void {
  expect(status?.phase).to.be.oneOf(['Stable', 'RolledBack']);
  const stable = status?.stable?.revision;
  if (routed) {
    expect(route).to.include({ canaryWeight: 0, fieldsOwned: false });
    expect(services).to.deep.equal({ stable, canary: stable });
  }
  if (status?.phase === 'Stable') expect(stable).to.equal(desired);
  else expect(status?.rejected?.map(({ revision }) => revision)).to.include(desired);
  for (const { revision, replicas } of revisions.values()) {
    expect(replicas, revision).to.equal(revision === stable ? 3 : 0);
  }
}
