// Whose clock counts when a metric server's own jumps, on a fake clock and server.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { EvidenceTarget } from '../../src/core/evidence.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import type { SignalJudgement } from '../../src/core/judgement.ts';
import type { Poller } from '../../src/sources/poller.ts';
import { specWith } from '../api/spec.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { FakeSource } from './fakeSource.ts';
import { pollerOf, pollMs } from './pollerOf.ts';
import { evidenceTarget } from './settings.ts';

describe('the clock of a server', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let poller: Poller;
  let offsetMs: number;
  let urgentMs: number[];
  const result = resolvePolicy(
    specWith({
      signals: [
        {
          name: 'errorRate',
          rollback: { above: '10%', for: '10s' },
          minRequests: 20,
          noData: 'Rollback',
        },
      ],
    }),
  );
  const signals = result.kind === 'ok' ? result.policy.signals : [];

  beforeEach(() => {
    clock = new FakeClock();
    offsetMs = 0;
    source = new FakeSource(() => clock.nowMs() + offsetMs);
    poller = pollerOf(source, clock);
    urgentMs = [];
    poller.onInteresting((_, { urgent }) => {
      if (urgent) urgentMs.push(clock.nowMs());
    });
    poller.start();
  });

  afterEach(() => poller.stop());

  const watch = (change: Partial<EvidenceTarget> = {}): void => {
    const attempt = { attemptStartMs: clock.nowMs(), stepStartMs: clock.nowMs() };
    poller.watch({ ...evidenceTarget, ...attempt, ...change }, signals);
  };
  const observedMs = (): number => poller.read('mesh/shop')?.observedAtMs ?? 0;
  const errorRate = (): SignalJudgement | undefined =>
    judgeSignals(signals, poller.read('mesh/shop'), null).find(
      ({ signal }) => signal.name === 'errorRate',
    );

  it('is followed when it was set back, and a breach is seen in time', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    watch();
    await clock.advance(4 * pollMs);
    offsetMs = 3_600_000;
    await clock.advance(4 * pollMs);
    expect(observedMs()).to.be.above(clock.nowMs());
    offsetMs = 0;
    const fromMs = clock.nowMs() + 2_000;
    source.revisions.set('mesh/shop-b', (timeMs) => (timeMs >= fromMs ? 0.3 : 0));
    await clock.advance(pollMs);
    expect(observedMs()).to.be.within(fromMs - pollMs, clock.nowMs());
    await clock.advance(60_000);
    expect(urgentMs[0]).to.be.within(fromMs + 10_000 + 1_000, fromMs + 10_000 + 1_100);
  });

  it('that was set back does not say since when there is nothing', async () => {
    source.down = true;
    offsetMs = 3_600_000;
    watch();
    await clock.advance(pollMs);
    expect(errorRate()?.absentSinceMs).to.be.above(clock.nowMs());
    offsetMs = 0;
    await clock.advance(pollMs);
    expect(errorRate()?.absentSinceMs).to.be.at.most(clock.nowMs());
  });

  it('that is behind by less than the lag gives no older look for a newer one', async () => {
    source.revisions.set('mesh/shop-b', () => 0.02);
    const attemptStartMs = clock.nowMs();
    watch();
    await clock.advance(4 * pollMs);
    const before = observedMs();
    offsetMs = -1_000;
    watch({ attemptStartMs, stepStartMs: attemptStartMs, stepHoldSeconds: 0 });
    await clock.advance(100);
    expect(observedMs()).to.be.at.least(before);
  });
});
