// Queries that users wrote, tried before anything depends on them, on a fake clock and server.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { declareQueries } from '../../src/reconcile/observe.ts';
import type { Poller } from '../../src/sources/poller.ts';
import { absence } from '../../src/sources/port.ts';
import type { MetricAnswer } from '../../src/sources/port.ts';
import { specWith } from '../api/spec.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { FakeSource } from './fakeSource.ts';
import { pollerOf, pollMs } from './pollerOf.ts';
import { evidenceTarget } from './settings.ts';

describe('queries of users', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let poller: Poller;
  let told: { readonly key: string; readonly urgent: boolean }[];

  beforeEach(() => {
    clock = new FakeClock();
    source = new FakeSource(() => clock.nowMs());
    poller = pollerOf(source, clock);
    told = [];
    poller.onInteresting((key, { urgent }) => told.push({ key, urgent }));
    poller.start();
  });

  afterEach(() => poller.stop());

  const custom = (query: string): readonly ResolvedSignal[] => {
    const critical = { above: '3' };
    const result = resolvePolicy(
      specWith({ signals: [{ name: 'queue', unit: 'count', query, critical }] }),
    );
    return result.kind === 'ok' ? result.policy.signals : [];
  };
  /** The built-in error rate first, and a query of the user's whose limit is 3. */
  const signalsWith = (query: string, seconds: string): readonly ResolvedSignal[] => {
    const rollback = { above: '10%', for: seconds };
    const result = resolvePolicy(
      specWith({
        signals: [
          { name: 'errorRate', rollback, minRequests: 20 },
          { name: 'queue', unit: 'count', query, rollback: { above: '3', for: seconds } },
        ],
      }),
    );
    return result.kind === 'ok' ? result.policy.signals : [];
  };
  const kindOf = (key: string, query: string): string | undefined =>
    poller.checkQueries(key, null, custom(query))[0]?.kind;

  it('tries each once, within a poll, and says what is wrong with it', async () => {
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('untried');
    kindOf('mesh/other', 'nothing_of_that_name');
    await clock.advance(pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('empty');
    expect(told.map(({ key }) => key)).to.have.members(['mesh/shop', 'mesh/other']);
    await clock.advance(10 * pollMs);
    expect(source.asked.filter(({ query }) => query.includes('nothing'))).to.have.lengthOf(1);
  });

  it('tells once that a query has an answer, so that no older word of it stands', async () => {
    source.rows.set('queue_depth', [{ labels: {}, samples: [[0, 1]] }]);
    kindOf('mesh/shop', 'queue_depth');
    expect(kindOf('mesh/shop', 'queue_depth')).to.equal('untried');
    await clock.advance(pollMs);
    expect(kindOf('mesh/shop', 'queue_depth')).to.equal(undefined);
    expect(told).to.deep.equal([{ key: 'mesh/shop', urgent: false }]);
    await clock.advance(400_000);
    expect(told).to.have.lengthOf(1);
  });

  it('tells an object that had a pass while its query was under way', async () => {
    const instant = source.instant.bind(source);
    source.instant = async (query, timeMs, take) => {
      kindOf('mesh/shop', 'nothing_of_that_name');
      return instant(query, timeMs, take);
    };
    kindOf('mesh/shop', 'nothing_of_that_name');
    await clock.advance(pollMs);
    expect(told.map(({ key }) => key)).to.deep.equal(['mesh/shop']);
  });

  it('tries again while the server says nothing of the query', async () => {
    source.down = true;
    kindOf('mesh/shop', 'nothing_of_that_name');
    await clock.advance(2 * pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('untried');
    source.down = false;
    await clock.advance(pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('empty');
  });

  it('takes back what a server refused, once it does not any more', async () => {
    const refusal: MetricAnswer = {
      ok: false,
      absence: absence('unreachable', 'ClientError', 'parse error'),
      refusal: 'query',
    };
    source.refusals.set('nothing_of_that_name', refusal);
    kindOf('mesh/shop', 'nothing_of_that_name');
    await clock.advance(2 * pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('refused');
    source.refusals.clear();
    await clock.advance(300_000 + pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('empty');
  });

  it('blames no query for a server that refuses who asks', async () => {
    const refusal = absence('unreachable', 'ClientError', 'answered 429');
    source.refusals.set('nothing_of_that_name', { ok: false, absence: refusal });
    kindOf('mesh/shop', 'nothing_of_that_name');
    await clock.advance(2 * pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('untried');
  });

  it('holds no look at the fleet up for queries that are not answered', async () => {
    const instant = source.instant.bind(source);
    const slow: FakeSource['instant'] = async (query, timeMs, take) => {
      if (!query.startsWith('slow_')) return instant(query, timeMs, take);
      await new Promise<void>((resolve) => clock.setTimer(5_000, resolve));
      return { ok: false, absence: absence('unreachable', 'TimedOut', query) };
    };
    source.instant = slow;
    source.revisions.set('mesh/shop-b', () => 0);
    for (let i = 0; i < 40; i++) kindOf(`mesh/shop-${i}`, `slow_${i}`);
    poller.watch({ ...evidenceTarget, stepStartMs: null }, []);
    await clock.advance(pollMs);
    source.asked.length = 0;
    await clock.advance(10 * pollMs);
    const looks = source.asked.filter(({ query }) => query.includes('timestamp'));
    expect(looks).to.have.lengthOf.within(9, 11);
    const stopped = poller.stop();
    await clock.advance(5_000);
    await stopped;
  });

  it('hold up no verdict on an object that has none', async () => {
    const slow: FakeSource['range'] = async (query, ...asked) => {
      if (!query.startsWith('slow_'))
        return FakeSource.prototype.range.call(source, query, ...asked);
      await new Promise<void>((resolve) => clock.setTimer(5_000, resolve));
      return { ok: false, absence: absence('unreachable', 'TimedOut', query) };
    };
    source.range = slow;
    const [errorRate] = signalsWith('slow_query', '10s');
    if (errorRate === undefined) throw new Error('the first built-in signal is errorRate');
    const users = signalsWith('slow_query', '10s').filter(({ query }) => query !== null);
    const fromMs = clock.nowMs() + 20_000;
    for (let i = 0; i < 20; i++) {
      const key = `mesh/many${i}`;
      const canaryReplicaSet = `many${i}-b`;
      const canaryPods = [{ name: `many${i}-b-bbbbb`, readySinceMs: 0 }];
      source.revisions.set(`mesh/many${i}-b`, (timeMs) => (timeMs >= fromMs ? 0.5 : 0));
      const signals = i < 19 ? [errorRate] : [errorRate, ...users];
      const attempt = { attemptStartMs: clock.nowMs(), stepStartMs: clock.nowMs() };
      const own = { key, canaryReplicaSet, canaryPods, ...attempt };
      poller.watch({ ...evidenceTarget, ...own }, signals);
    }
    await clock.advance(20_000 + 10_000 + 1_500);
    const held = new Set(told.filter(({ urgent }) => urgent).map(({ key }) => key));
    expect(held.size).to.be.at.least(19);
    const stopped = poller.stop();
    await clock.advance(30_000);
    await stopped;
  });

  it('hold up no first sign of a breach on an object that has none', async () => {
    const slow: FakeSource['instant'] = async (query, timeMs, take) => {
      if (!query.startsWith('slow_'))
        return FakeSource.prototype.instant.call(source, query, timeMs, take);
      await new Promise<void>((resolve) => clock.setTimer(20_000, resolve));
      return { ok: false, absence: absence('unreachable', 'TimedOut', query) };
    };
    source.instant = slow;
    const [errorRate] = signalsWith('any', '10s');
    if (errorRate === undefined) throw new Error('the first built-in signal is errorRate');
    const fromMs = clock.nowMs() + 20_000;
    const watch = (name: string, signals: readonly ResolvedSignal[]): void => {
      const canaryPods = [{ name: `${name}-b-bbbbb`, readySinceMs: 0 }];
      const attempt = { attemptStartMs: clock.nowMs(), stepStartMs: clock.nowMs() };
      const own = { key: `mesh/${name}`, canaryReplicaSet: `${name}-b`, canaryPods, ...attempt };
      source.revisions.set(`mesh/${name}-b`, (timeMs) => (timeMs >= fromMs ? 0.5 : 0));
      poller.watch({ ...evidenceTarget, ...own }, signals);
    };
    for (let i = 0; i < 8; i++) watch(`many${i}`, signalsWith(`slow_${i}`, '10s'));
    await clock.advance(1_000);
    watch('shop', [errorRate]);
    await clock.advance(fromMs + 10_000 + 1_500 - clock.nowMs());
    expect(told.filter(({ urgent }) => urgent)).to.deep.equal([{ key: 'mesh/shop', urgent: true }]);
    const stopped = poller.stop();
    await clock.advance(60_000);
    await stopped;
  });

  it('with the text of a built-in query take no answer from it', async () => {
    const [errorRate] = signalsWith('any', '10s');
    if (errorRate === undefined) throw new Error('the first built-in signal is errorRate');
    source.revisions.set('mesh/shop-b', () => 0);
    const attempt = { attemptStartMs: clock.nowMs(), stepStartMs: clock.nowMs() };
    poller.watch({ ...evidenceTarget, ...attempt }, [errorRate]);
    await clock.advance(2 * pollMs);
    const text = poller.read('mesh/shop')?.signals['errorRate'];
    if (text?.state !== 'known') throw new Error('errorRate is known');
    poller.forget('mesh/shop');
    const [, queue] = signalsWith(text.query, '10s');
    if (queue === undefined) throw new Error('the second signal is the query of the user');
    poller.watch({ ...evidenceTarget, ...attempt }, [queue, errorRate]);
    await clock.advance(2 * pollMs);
    const { signals } = poller.read('mesh/shop') ?? {};
    expect(signals?.['errorRate']).to.nested.include({ state: 'known' });
    expect(signals?.['errorRate']).to.have.nested.property('latest.points.length').above(0);
  });

  it('that several objects share have no row without a name, whoever is looked at', async () => {
    source.rows.set('everywhere', [{ labels: {}, samples: [[0, 100]] }]);
    const signals = signalsWith('everywhere', '10s');
    for (const name of ['shop', 'other']) {
      poller.checkQueries(`mesh/${name}`, null, signals);
    }
    source.revisions.set('mesh/shop-b', () => 0);
    poller.watch({ ...evidenceTarget, attemptStartMs: clock.nowMs() - 600_000 }, signals);
    await clock.advance(2 * pollMs);
    expect(told.filter(({ urgent }) => urgent)).to.deep.equal([]);
    poller.release('mesh/other');
    await clock.advance(10 * pollMs);
    expect(told.filter(({ urgent }) => urgent)).to.not.deep.equal([]);
  });

  it('of objects without a pass yet count as well, once they are declared', async () => {
    source.rows.set('everywhere', [{ labels: {}, samples: [[0, 100]] }]);
    const rollback = { above: '3', for: '10s' };
    const queue = { name: 'queue', unit: 'count', query: 'everywhere', rollback } as const;
    const objectOf = (name: string) => ({
      metadata: { namespace: 'mesh', name, uid: name, resourceVersion: '1', generation: 1 },
      spec: specWith({ signals: [queue] }),
    });
    declareQueries(['shop', 'other'].map(objectOf), poller);
    const signals = signalsWith('everywhere', '10s');
    const attempt = { attemptStartMs: clock.nowMs() - 600_000 };
    poller.watch({ ...evidenceTarget, ...attempt }, signals);
    await clock.advance(4 * pollMs);
    expect(told.filter(({ urgent }) => urgent)).to.deep.equal([]);
  });

  it('that an object with an invalid spec shares have no row without a name', async () => {
    source.rows.set('everywhere', [{ labels: {}, samples: [[0, 100]] }]);
    const signals = signalsWith('everywhere', '10s');
    const attempt = { attemptStartMs: clock.nowMs() - 600_000 };
    poller.checkQueries('mesh/shop', null, signals);
    // It is judged by its last valid spec.
    poller.checkQueries('mesh/other', null, []);
    const other = { key: 'mesh/other', canaryReplicaSet: 'other-b' };
    poller.watch({ ...evidenceTarget, ...attempt, ...other }, signals);
    poller.watch({ ...evidenceTarget, ...attempt }, signals);
    await clock.advance(4 * pollMs);
    expect(told.filter(({ urgent }) => urgent)).to.deep.equal([]);
    poller.forget('mesh/other');
    await clock.advance(4 * pollMs);
    const urgent = told.filter((one) => one.urgent).map(({ key }) => key);
    expect(new Set(urgent)).to.deep.equal(new Set(['mesh/shop']));
  });

  it('forgets the queries of an object that is gone', async () => {
    kindOf('mesh/shop', 'nothing_of_that_name');
    poller.release('mesh/shop');
    await clock.advance(2 * pollMs);
    expect(source.asked).to.deep.equal([]);
  });
});
