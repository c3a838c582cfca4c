// The progress deadline: it counts while a step lacks the pods that it needs, and for nothing else
// that the step waits for.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import { decide } from '../../src/core/decide.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { evidenceOf, FakeCluster } from './fakeCluster.ts';

const deadlineMs = 600_000;
let cluster: FakeCluster;

/** Step 2 is decided and has its two pods, but something else keeps its weight back so long. */
function stepTwoWaits(ms: number, look: () => void): void {
  canaryInTraffic(cluster, 10);
  breaching(cluster, 60, 0);
  while (cluster.record('b').step < 2) cluster.pass();
  for (const endMs = cluster.nowMs + ms; cluster.nowMs < endMs;) {
    look();
    cluster.settle();
    cluster.nowMs += 10_000;
  }
  look();
  cluster.settle();
  expect(cluster.revisions.get('b')?.replicas).to.equal(2);
  expect(cluster.route.canaryWeight).to.equal(20);
}

const critical = (): void => breaching(cluster, 60, 0.07);
const unreachable = (): void => {
  const refused = { kind: 'unreachable', reason: 'Refused', message: 'no' } as const;
  const absent = { state: 'absent', absence: refused, sinceMs: cluster.nowMs, query: 'q' } as const;
  const { signals } = evidenceOf(cluster.nowMs, [0], absent);
  cluster.evidence = { observedAtMs: cluster.nowMs, signals: { ...signals, errorRate: absent } };
};

describe('the progress deadline', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
  });

  it('is over for a step that had its pods, when more are wanted later', () => {
    stepTwoWaits(deadlineMs + 60_000, critical);
    cluster.ready.set('b', 2);
    cluster.spec = { ...cluster.spec, replicas: 8 };
    expect(cluster.settle()).to.include({ check: 'podsAreMissing' });
    cluster.nowMs += deadlineMs - 1_000;
    critical();
    expect(cluster.settle()).to.include({ check: 'podsAreMissing' });
    cluster.nowMs += 2_000;
    expect(cluster.settle().incident).to.include({ alert: 'PROGRESS_DEADLINE' });
  });

  it('is over for a step that had its pods, when one is not ready for a moment', () => {
    stepTwoWaits(deadlineMs + 60_000, unreachable);
    cluster.ready.set('b', 1);
    expect(cluster.settle()).to.include({ check: 'podsAreMissing' });
    cluster.ready.clear();
    expect(cluster.settle().check).to.equal('weightIsNotTheSteps');
  });

  it('counts for pods that are replaced again and again and never were there', () => {
    cluster.settle();
    cluster.ready.set('b', 0);
    cluster.rollOut('b');
    cluster.nowMs += deadlineMs + 1_000;
    expect(cluster.settle().incident).to.include({ alert: 'PROGRESS_DEADLINE' });
  });

  it('does not count for pods that nobody has asked for yet', () => {
    cluster.settle();
    cluster.desired = 'b';
    cluster.pass();
    expect(cluster.revisions.get('b')?.replicas).to.equal(0);
    cluster.nowMs += deadlineMs + 1_000;
    cluster.ready.set('b', 0);
    expect(cluster.settle()).to.include({ check: 'podsAreMissing' });
    expect(cluster.revisions.get('b')?.replicas).to.equal(1);
    cluster.nowMs += deadlineMs + 1_000;
    expect(cluster.settle().incident).to.include({ alert: 'PROGRESS_DEADLINE' });
  });

  it('does not count by steps that an operator never read, since they are invalid', () => {
    cluster.routeAccepted = false;
    cluster.rollOut('b');
    cluster.nowMs += deadlineMs + 1_000;
    const { mode } = cluster.spec.canary;
    const canary = { steps: [], drainDelay: '30s', mode };
    const found = resolvePolicy({ ...cluster.spec, canary, signals: [] });
    if (found.kind === 'invalid') throw new Error(found.messages.join());
    for (let pass = 0; pass < 3; pass++) {
      const { check, commands } = decide({
        ...cluster.observe(),
        policy: { kind: 'invalid', messages: ['no'] },
        standing: found.policy,
        stepsAreKnown: false,
      });
      expect(check).to.equal('specIsInvalid');
      expect(commands).to.deep.equal([]);
    }
  });
});
