// What pods themselves say: which of it is a verdict and when, and how much traffic stable takes
// back when it is short of pods.
import { expect } from 'chai';
import fc from 'fast-check';
import type { ContainerView, PodView, RevisionView } from '../../src/core/model.ts';
import { judgePods } from '../../src/core/podHealth.ts';
import type { PodVerdict } from '../../src/core/podHealth.ts';
import { stableShare } from '../../src/core/share.ts';
import { canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

describe("the canary's pods", () => {
  let nowMs: number;
  let canary: RevisionView;

  beforeEach(() => {
    const cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
    nowMs = cluster.nowMs;
    const found = cluster.observe().revisions.find(({ revision }) => revision === 'b');
    if (found === undefined) throw new Error('there is no canary');
    canary = found;
  });

  const judge = (
    pod: Partial<PodView> = {},
    container: Partial<ContainerView> = {},
    change: Partial<RevisionView> = {},
    atMs = nowMs,
  ): PodVerdict => {
    const [first] = canary.pods;
    const [main] = first?.containers ?? [];
    if (first === undefined || main === undefined) throw new Error('there is no container');
    const pods = [{ ...first, containers: [{ ...main, ...container }], ...pod }];
    return judgePods({ ...canary, pods, ...change }, 1, 600, atMs);
  };
  const alertOf = (verdict: PodVerdict): string =>
    verdict.state === 'failed' ? verdict.failure.alert : verdict.state;

  it('are fine while they are ready', () => {
    expect(judge()).to.deep.equal({ state: 'fine' });
  });

  it('fail at once when the kernel killed one for its memory, ready again or not', () => {
    const killed = { terminatedReason: 'OOMKilled', terminatedAtMs: nowMs };
    expect(alertOf(judge({}, killed))).to.equal('MEMORY_EXHAUSTION');
    const before = { ...killed, terminatedAtMs: nowMs - 60_000 };
    expect(alertOf(judge({}, before)), 'before the attempt').to.equal('fine');
  });

  it('fail at once in a crash loop or at the third restart', () => {
    expect(alertOf(judge({}, { restartCount: 2 }))).to.equal('fine');
    expect(alertOf(judge({}, { restartCount: 3 }))).to.equal('SERVICE_DOWN');
    expect(alertOf(judge({}, { waitingReason: 'CrashLoopBackOff' }))).to.equal('SERVICE_DOWN');
  });

  it('are not blamed for restarts before the attempt', () => {
    const older = { createdAtMs: nowMs - 60_000 };
    expect(alertOf(judge(older, { restartCount: 9 }))).to.equal('fine');
    expect(alertOf(judge(older, { waitingReason: 'CrashLoopBackOff' }))).to.equal('SERVICE_DOWN');
  });

  it('fail when an image could not be pulled for 30 s', () => {
    const pod = { imageFailingSinceMs: nowMs - 29_000 };
    const waiting = { waitingReason: 'ImagePullBackOff', waitingMessage: 'not found' };
    expect(judge(pod, waiting)).to.deep.include({ state: 'due', dueAtMs: nowMs + 1_000 });
    expect(alertOf(judge(pod, waiting, {}, nowMs + 1_000))).to.equal('SERVICE_DOWN');
  });

  it('say nothing while they terminate', () => {
    expect(alertOf(judge({ terminating: true }, { restartCount: 9 }))).to.equal('fine');
  });
});

describe("stable's share", () => {
  const share = (available: number, current = 80, canaryAvailable = 1): number =>
    stableShare({ available, needed: 10, current, canaryAvailable });

  it('is everything when half of its pods are there', () => {
    expect(share(5)).to.equal(100);
    expect(share(9)).to.equal(100);
  });

  it('is what its pods carry below that, and never less than it has', () => {
    expect(share(4, 20)).to.equal(40);
    expect(share(4, 80)).to.equal(80);
  });

  it('stays where it is without a pod, and is everything when the canary has none', () => {
    expect(share(0, 70)).to.equal(70);
    expect(share(1, 70, 0)).to.equal(100);
  });

  it('never falls', () => {
    const percent = fc.integer({ min: 0, max: 100 });
    fc.assert(
      fc.property(fc.nat(20), percent, fc.nat(5), (available, current, canaryAvailable) => {
        expect(share(available, current, canaryAvailable)).to.be.within(current, 100);
      }),
    );
  });
});
