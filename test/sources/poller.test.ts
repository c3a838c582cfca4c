// When the poller asks, of whom, and what evidence comes of it, on a fake clock and server.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import type { EvidenceTarget } from '../../src/core/evidence.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import { createPoller } from '../../src/sources/poller.ts';
import type { Poller } from '../../src/sources/poller.ts';
import { specWith } from '../api/spec.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { FakeSource } from './fakeSource.ts';
import { pollerOf, pollMs } from './pollerOf.ts';
import { evidenceTarget } from './settings.ts';

function signalsOf(forSeconds: string, noData: 'Hold' | 'Rollback' = 'Hold') {
  const rollback = { above: '10%', for: forSeconds };
  const latency = { above: '500ms', for: forSeconds };
  const result = resolvePolicy(
    specWith({
      signals: [
        { name: 'errorRate', rollback, minRequests: 20, noData },
        { name: 'latencyP95', rollback: latency, minRequests: 20 },
      ],
    }),
  );
  if (result.kind === 'invalid') throw new Error(result.messages.join('; '));
  return result.policy.signals;
}

describe('the poller', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let poller: Poller;
  let offsetMs: number;
  let told: { readonly key: string; readonly urgent: boolean; readonly atMs: number }[];
  const signals = signalsOf('10s');

  beforeEach(() => {
    clock = new FakeClock();
    offsetMs = 0;
    source = new FakeSource(() => clock.nowMs() + offsetMs);
    poller = pollerOf(source, clock);
    told = [];
    poller.onInteresting((key, { urgent }) => told.push({ key, urgent, atMs: clock.nowMs() }));
    poller.start();
  });

  afterEach(() => poller.stop());

  const target = (change: Partial<EvidenceTarget> = {}): EvidenceTarget => ({
    ...evidenceTarget,
    canaryPods: [{ name: 'shop-b-bbbbb', readySinceMs: clock.nowMs() }],
    attemptStartMs: clock.nowMs(),
    stepStartMs: clock.nowMs(),
    ...change,
  });
  const pod = (i: number) => [{ name: `many${i}-b-bbbbb`, readySinceMs: clock.nowMs() }];
  const watch = (wanted = target(), own: readonly ResolvedSignal[] = signals): void => {
    poller.watch(wanted, own);
  };
  const judged = (own: readonly ResolvedSignal[] = signals) => {
    const [errorRate, latency] = judgeSignals(own, poller.read('mesh/shop'), null);
    if (errorRate === undefined || latency === undefined) throw new Error('two signals expected');
    return { errorRate, latency };
  };
  /** Good, and from a second on with 30 % errors. */
  const breakAfter = (seconds: number): number => {
    const fromMs = clock.nowMs() + seconds * 1000;
    source.revisions.set('mesh/shop-b', (timeMs) => (timeMs >= fromMs ? 0.3 : 0));
    return fromMs;
  };

  it('asks half as often while a query takes more than a tenth of the interval', async () => {
    const lines: string[] = [];
    let takesMs = 600;
    const slow: FakeSource['instant'] = async (query, timeMs, take) => {
      await new Promise<void>((resolve) => clock.setTimer(takesMs, resolve));
      return FakeSource.prototype.instant.call(source, query, timeMs, take);
    };
    await poller.stop();
    poller = pollerOf(Object.assign(source, { instant: slow }), clock, {
      log: (level, message) => void lines.push(`${level} ${message}`),
    });
    poller.start();
    source.revisions.set('mesh/shop-b', () => 0);
    watch();
    await clock.advance(4 * pollMs);
    expect(lines).to.deep.equal(['warn metric server is slow: asked half as often']);
    source.asked.length = 0;
    await clock.advance(8 * pollMs);
    const moments = new Set(
      source.asked.filter(({ kind }) => kind === 'instant').map(({ startMs }) => startMs),
    );
    expect(moments.size).to.be.within(3, 5);
    takesMs = 0;
    await clock.advance(4 * pollMs);
    expect(lines.at(-1)).to.equal('info metric server is fast');
  });

  it('asks nothing while there is nobody to watch', async () => {
    await clock.advance(60_000);
    expect(source.asked).to.deep.equal([]);
    expect(poller.read('mesh/shop')).to.equal(null);
  });

  it('asks as many queries for fifty canaries as for one', async () => {
    const instants = async (): Promise<number> => {
      source.asked.length = 0;
      await clock.advance(pollMs);
      return source.asked.filter(({ kind }) => kind === 'instant').length;
    };
    source.revisions.set('mesh/shop-b', () => 0);
    watch();
    await clock.advance(pollMs);
    const one = await instants();
    for (let i = 0; i < 50; i++) {
      source.revisions.set(`mesh/other${i}-b`, () => 0);
      watch(target({ key: `mesh/other${i}`, canaryReplicaSet: `other${i}-b` }));
    }
    await clock.advance(pollMs);
    expect(await instants()).to.equal(one);
    expect(source.asked.filter(({ kind }) => kind === 'range')).to.deep.equal([]);
  });

  it('looks at a new canary soon, and asks about no time before its start', async () => {
    source.revisions.set('mesh/shop-b', () => 0.3);
    const startMs = clock.nowMs() + 1_000;
    watch(target({ attemptStartMs: startMs }));
    await clock.advance(100);
    expect(poller.read('mesh/shop')).to.not.equal(null);
    await clock.advance(11_000);
    const { errorRate } = judged();
    expect(errorRate.level).to.equal('Breach');
    const [first] = errorRate.history;
    // A point is over a window of 4 s, all of which must lie within the attempt.
    expect(first?.timeMs).to.be.at.least(startMs + 4_000);
  });

  it('reads a canary’s own histogram beside one that has none', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    source.revisions.set('other/silent-b', () => null);
    const silent = { key: 'other/silent', namespace: 'other', canaryReplicaSet: 'silent-b' };
    watch();
    watch(target(silent));
    await clock.advance(3 * pollMs);
    expect(source.asked.some(({ query }) => query.includes('histogram_count'))).to.equal(true);
    expect(judged().latency).to.include({ level: 'Normal', absence: null });
  });

  it('does not trust rates that outlive the last scrape', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    watch();
    await clock.advance(3 * pollMs);
    expect(judged().errorRate.level).to.equal('Normal');
    source.unscraped.add('mesh/shop-b');
    await clock.advance(pollMs);
    expect(judged().errorRate.absence).to.include({ kind: 'untrusted', reason: 'Stale' });
    source.revisions.set('mesh/shop-b', () => null);
    await clock.advance(pollMs);
    expect(judged().errorRate.absence).to.include({ reason: 'Empty' });
  });

  /** Of twenty canaries that breach at once, how many are told of as held. */
  const heldOfTwenty = async (): Promise<number> => {
    const fromMs = clock.nowMs() + 20_000;
    for (let i = 0; i < 20; i++) {
      source.revisions.set(`mesh/many${i}-b`, (timeMs) => (timeMs >= fromMs ? 0.5 : 0));
      watch(target({ key: `mesh/many${i}`, canaryReplicaSet: `many${i}-b`, canaryPods: pod(i) }));
    }
    await clock.advance(60_000);
    const held = new Set(told.filter((one) => one.urgent).map(({ key }) => key));
    return held.size;
  };

  it('asks about fewer canaries where the server can’t answer about all', async () => {
    source.mostInRange = 3;
    expect(await heldOfTwenty()).to.equal(20);
  });

  it('holds no verdict back for one canary that the server can’t answer about', async () => {
    source.slowInRange = 'many0-b';
    expect(await heldOfTwenty()).to.equal(19);
  });

  it('does not ask again and again about the one namespace that takes too long', async () => {
    source.slowInRange = 'many0-b';
    await clock.advance(100);
    for (let i = 0; i < 20; i++) {
      const own = { key: `mesh${i}/many${i}`, namespace: `mesh${i}`, canaryPods: pod(i) };
      source.revisions.set(`mesh${i}/many${i}-b`, () => 0.5);
      watch(target({ ...own, canaryReplicaSet: `many${i}-b`, attemptStartMs: 0 }));
    }
    await clock.advance(100);
    const slow = source.asked.filter(
      ({ kind, query }) => kind === 'range' && /http_requests_total.*many0-b.*\[4s\]/.test(query),
    );
    // About 20, 10, 5, 3, 2 and 1 namespaces, in one look.
    expect(slow).to.have.lengthOf(6);
    const held = new Set(told.filter((one) => one.urgent).map(({ key }) => key));
    expect(held.size).to.equal(19);
    expect(poller.read('mesh0/many0')?.signals['errorRate']).to.nested.include({
      'absence.reason': 'TimedOut',
    });
  });

  it('gives a server up that answers about no number of canaries', async () => {
    source.mostInRange = 0;
    for (let i = 0; i < 16; i++) {
      source.revisions.set(`mesh/many${i}-b`, () => 0.5);
      watch(target({ key: `mesh/many${i}`, canaryReplicaSet: `many${i}-b`, canaryPods: pod(i) }));
    }
    await clock.advance(100);
    const sizes = source.asked
      .filter(({ kind, query }) => kind === 'range' && query.includes('http_requests_total'))
      .map(({ query }) => new Set(query.match(/many\d+-b/g)).size);
    // Never the other half of what took too long already.
    expect(sizes.slice(0, 6)).to.deep.equal([16, 8, 4, 2, 1, 1]);
    expect(sizes.slice(6)).to.have.members(sizes.length > 6 ? [16, 8, 4, 2, 1, 1] : []);
    expect(poller.read('mesh/many7')?.signals['errorRate']).to.nested.include({
      'absence.reason': 'TimedOut',
    });
  });

  it('tells of a held breach at its very moment, urgently', async () => {
    const fromMs = breakAfter(20);
    watch();
    await clock.advance(60_000);
    const urgent = told.filter((one) => one.urgent);
    expect(urgent[0]?.atMs).to.be.within(fromMs + 10_000 + 1_000, fromMs + 10_000 + 1_100);
    expect(judged().errorRate.breach.state).to.equal('held');
  });

  it('looks back only while somebody is in breach', async () => {
    breakAfter(22);
    watch();
    await clock.advance(20_000);
    const ranges = () => source.asked.filter(({ kind }) => kind === 'range').length;
    const before = ranges();
    await clock.advance(2_000);
    expect(ranges()).to.equal(before);
    await clock.advance(pollMs + 2_000);
    expect(ranges()).to.be.above(before);
  });

  it('reads the history of the signal in breach, and of the others the newest point', async () => {
    const fromMs = breakAfter(10);
    watch();
    await clock.advance(fromMs + 12_000 - clock.nowMs());
    const longest = (metric: string): number =>
      Math.max(
        ...source.asked
          .filter(({ kind, query }) => kind === 'range' && query.includes(metric))
          .map(({ startMs, endMs }) => endMs - startMs),
      );
    expect(longest('http_requests_total')).to.be.at.least(20_000);
    expect(longest('_bucket')).to.equal(0);
    expect(judged().errorRate.breach.state).to.equal('held');
    expect(judged().latency).to.include({ level: 'Normal', absence: null });
    expect(judged().latency.history).to.deep.equal([]);
  });

  it('has the whole hold at the end of a step', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    watch(target({ stepHoldSeconds: 12 }));
    await clock.advance(12_000 + 1_100);
    const { observedAtMs } = poller.read('mesh/shop') ?? { observedAtMs: 0 };
    expect(observedAtMs).to.be.at.least(clock.nowMs() - 1_100);
    expect(judged().errorRate.history.length).to.be.at.least(8);
    expect(told.at(-1)).to.include({ key: 'mesh/shop', urgent: false });
  });

  it('names what a server that is down keeps from it, since when', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    watch();
    await clock.advance(10_000);
    source.down = true;
    await clock.advance(pollMs);
    const { errorRate } = judged();
    expect(errorRate).to.deep.include({ level: 'Unknown' });
    expect(errorRate.absence).to.include({ kind: 'unreachable', reason: 'Refused' });
    const sinceMs = errorRate.absentSinceMs;
    await clock.advance(3 * pollMs);
    expect(judged().errorRate.absentSinceMs).to.equal(sinceMs);
    source.down = false;
    await clock.advance(2 * pollMs);
    expect(judged().errorRate.absence).to.equal(null);
  });

  it('tells at each look of an absence that may be held against the canary', async () => {
    const strict = signalsOf('10s', 'Rollback');
    watch(target(), strict);
    await clock.advance(15_000);
    expect(judged(strict).errorRate).to.deep.include({ level: 'Unknown' });
    const before = told.length;
    await clock.advance(pollMs);
    expect(judged(strict).errorRate.absence?.reason).to.equal('Empty');
    expect(told.length).to.be.above(before);
    expect(told.at(-1)?.urgent, 'it has lasted as long as it may').to.equal(true);
    expect(poller.read('mesh/shop')?.observedAtMs).to.be.at.least(clock.nowMs() - pollMs - 2_000);
  });

  it('takes more pods than were ever listed for somebody else’s', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    watch(target({ canaryPods: [] }));
    await clock.advance(pollMs);
    expect(judged().errorRate.absence).to.include({ reason: 'AmbiguousSource' });
  });

  it('forgets a canary', async () => {
    source.revisions.set('mesh/shop-b', () => 0);
    watch();
    await clock.advance(pollMs);
    poller.forget('mesh/shop');
    source.asked.length = 0;
    await clock.advance(60_000);
    expect(source.asked).to.deep.equal([]);
    expect(poller.read('mesh/shop')).to.equal(null);
  });

  it('drops what it knows when a new attempt begins', async () => {
    source.revisions.set('mesh/shop-b', () => 0.3);
    watch();
    await clock.advance(9_000);
    expect(judged().errorRate.level).to.equal('Breach');
    watch(target({ attemptStartMs: clock.nowMs() }));
    expect(poller.read('mesh/shop')).to.equal(null);
    await clock.advance(100);
    expect(judged().errorRate.level).to.equal('Unknown');
  });

  it('asks nothing more once it was stopped, and leaves no timer', async () => {
    source.revisions.set('mesh/shop-b', () => 0.3);
    watch();
    await clock.advance(12_000);
    await poller.stop();
    source.asked.length = 0;
    await clock.advance(60_000);
    expect(source.asked).to.deep.equal([]);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('says why signals can not be judged on a server', () => {
    expect(poller.problemOf(null, signals)).to.equal(null);
    expect(poller.problemOf('other', signals)).to.include({ reason: 'UnknownServer' });
    const hasty = poller.problemOf(null, signalsOf('4s'));
    expect(hasty).to.include({ reason: 'HoldShorterThanScrapeAllows' });
  });

  it('names the value that is missing where no server is configured', () => {
    const options = { clock, log: () => undefined, pollIntervalMs: null };
    const none = createPoller({ servers: new Map(), defaultServer: null, ...options });
    const problem = none.problemOf(null, signals);
    expect(problem).to.include({ reason: 'UnknownServer' });
    expect(problem?.message).to.include('prometheus.url');
  });
});
