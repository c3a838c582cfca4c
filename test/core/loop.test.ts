// The whole loop under random evidence, random writers and an operator that dies anywhere: what the
// invariants forbid never happens, and it always comes to rest.
import { expect } from 'chai';
import fc from 'fast-check';
import { evidenceOf, FakeCluster } from './fakeCluster.ts';
import type { Mishap } from './fakeCluster.ts';

const spec = {
  replicas: 3,
  canary: {
    steps: [
      { weight: 10, hold: '5s' },
      { weight: 60, hold: '5s' },
    ],
    drainDelay: '3s',
  },
  signals: [
    { name: 'errorRate', rollback: { above: '10%', for: '4s' }, minRequests: 20 },
    { name: 'latencyP95', rollback: { above: '500ms', for: '4s' }, minRequests: 20 },
  ],
} as const;

type Event =
  | { readonly kind: 'second'; readonly ratio: number | null }
  | { readonly kind: 'pass'; readonly mishap: Mishap }
  | { readonly kind: 'template'; readonly revision: string }
  | { readonly kind: 'break'; readonly revision: string }
  | { readonly kind: 'mend' }
  | { readonly kind: 'overwrite'; readonly weight: number }
  | { readonly kind: 'loseStatus' };

const revisions = ['aaaaaaaaaa', 'b', 'c'];
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
      revision: fc.constantFrom(...revisions),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('break' as const),
      revision: fc.constantFrom('b', 'c'),
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
  { weight: 1, arbitrary: fc.constant({ kind: 'loseStatus' as const }) },
);

/** A cluster with a stable revision, and the evidence that it gathers second by second. */
class Run {
  readonly cluster = new FakeCluster(spec);
  #ratios: (number | null)[] = [];

  constructor() {
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
      case 'loseStatus':
        cluster.status = undefined;
    }
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
    const { cluster } = this;
    const before = cluster.route.canaryWeight;
    const { mark, verdict } = cluster.route;
    const earlier = cluster.carriedOut.length;
    const decision = cluster.pass(how);
    const after = cluster.route.canaryWeight;
    if (after > before) {
      expect(decision.phase, 'who raises is not rolling back').to.equal('Progressing');
      const isSame = cluster.route.mark?.revision === mark?.revision;
      const isNewer = (cluster.route.mark?.attempt ?? 0) > (mark?.attempt ?? 0);
      expect(isSame && verdict === 'rejected' && !isNewer, 'raised after the verdict').to.equal(
        false,
      );
      expect(cluster.services.canary, 'raised for the desired revision').to.equal(cluster.desired);
      expect(cluster.broken.has(cluster.desired), 'raised without pods').to.equal(false);
    }
    const writes = cluster.carriedOut.slice(earlier);
    if (writes.some(({ kind }) => kind === 'setWeights') && decision.incident !== undefined) {
      expect(writes[0]?.kind, 'the routes are written first').to.equal('setWeights');
    }
  }

  /** Time goes on with healthy evidence until nothing is left to do. */
  rest(): void {
    const { cluster } = this;
    cluster.broken.clear();
    for (let seconds = 0; seconds < 60; seconds++) {
      cluster.nowMs += 1000;
      this.#observe(0);
      cluster.settle();
    }
  }
}

describe('the loop', () => {
  it('never gives weight to what was rejected, wherever it dies', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        const run = new Run();
        for (const happened of events) run.play(happened);
      }),
      { numRuns: 1_000 },
    );
  });

  it('comes to rest: on the template, or on the revision before where that is rejected', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const run = new Run();
        for (const happened of events) run.play(happened);
        run.rest();
        const { status, route, services, desired, revisions: sets } = run.cluster;
        expect(status?.phase).to.be.oneOf(['Stable', 'RolledBack']);
        expect(route.canaryWeight).to.equal(0);
        expect(services.stable).to.equal(services.canary);
        if (status?.phase === 'Stable') expect(services.stable).to.equal(desired);
        else expect(status?.rejected?.map(({ revision }) => revision)).to.include(desired);
        for (const { revision, replicas } of sets.values()) {
          expect(replicas, revision).to.equal(revision === services.stable ? 3 : 0);
        }
      }),
      { numRuns: 300 },
    );
  });
});
