// Queries that users wrote, tried before anything depends on them, on a fake clock and server.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import { createPoller } from '../../src/sources/poller.ts';
import type { Poller } from '../../src/sources/poller.ts';
import { absence } from '../../src/sources/port.ts';
import type { MetricAnswer } from '../../src/sources/port.ts';
import { specWith } from '../api/spec.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { FakeSource } from './fakeSource.ts';
import { evidenceTarget, serverSettings } from './settings.ts';

const pollMs = 5_000;

describe('queries of users', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let poller: Poller;
  let told: { readonly key: string }[];

  beforeEach(() => {
    clock = new FakeClock();
    source = new FakeSource(() => clock.nowMs());
    poller = createPoller({
      servers: new Map([['main', { source, settings: serverSettings }]]),
      defaultServer: 'main',
      pollIntervalMs: pollMs,
      clock,
      log: () => undefined,
    });
    told = [];
    poller.onInteresting((key) => told.push({ key }));
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
  const kindOf = (key: string, query: string): string | undefined =>
    poller.checkQueries(key, null, custom(query))[0]?.kind;

  it('tries each once, within a poll, and says what is wrong with it', async () => {
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal(undefined);
    kindOf('mesh/other', 'nothing_of_that_name');
    await clock.advance(pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal('empty');
    expect(told.map(({ key }) => key)).to.have.members(['mesh/shop', 'mesh/other']);
    await clock.advance(10 * pollMs);
    expect(source.asked.filter(({ query }) => query.includes('nothing'))).to.have.lengthOf(1);
  });

  it('tries again while the server says nothing of the query', async () => {
    source.down = true;
    kindOf('mesh/shop', 'nothing_of_that_name');
    await clock.advance(2 * pollMs);
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal(undefined);
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
    expect(kindOf('mesh/shop', 'nothing_of_that_name')).to.equal(undefined);
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

  it('forgets the queries of an object that is gone', async () => {
    kindOf('mesh/shop', 'nothing_of_that_name');
    poller.release('mesh/shop');
    await clock.advance(2 * pollMs);
    expect(source.asked).to.deep.equal([]);
  });
});
