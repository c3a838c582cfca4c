// How often a server scrapes, where its configuration does not say, on a fake clock and server.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import type { Poller } from '../../src/sources/poller.ts';
import type { ServerSettings } from '../../src/sources/port.ts';
import { specWith } from '../api/spec.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { FakeSource } from './fakeSource.ts';
import { pollerOf } from './pollerOf.ts';
import { evidenceTarget, serverSettings } from './settings.ts';

const assumedMs = 15_000;

function signalsOf(forSeconds: string): readonly ResolvedSignal[] {
  const rollback = { above: '10%', for: forSeconds };
  const result = resolvePolicy(specWith({ signals: [{ name: 'errorRate', rollback }] }));
  if (result.kind === 'invalid') throw new Error(result.messages.join('; '));
  return result.policy.signals.filter(({ name }) => name === 'errorRate');
}

describe('the scrape interval of a server', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let poller: Poller;
  let lines: { readonly message: string; readonly fields: unknown }[];
  let told: string[];
  const minute = signalsOf('1m');

  const create = (more: Partial<ServerSettings> = {}): void => {
    const assumed = { scrapeIntervalMs: assumedMs, scrapeIntervalIsAssumed: true };
    const settings = { ...serverSettings, ...assumed, ...more };
    poller = pollerOf(source, clock, {
      settings,
      pollIntervalMs: null,
      log: (_, message, fields) => void lines.push({ message, fields }),
    });
    poller.onInteresting((key) => told.push(key));
  };
  const start = (more: Partial<ServerSettings> = {}): void => {
    create(more);
    poller.start();
  };

  beforeEach(() => {
    clock = new FakeClock();
    source = new FakeSource(() => clock.nowMs());
    source.revisions.set('mesh/shop-b', () => 0);
    lines = [];
    told = [];
  });

  afterEach(() => poller.stop());

  const watch = (signals = minute): void => {
    poller.checkQueries('mesh/shop', null, signals);
    const attempt = { attemptStartMs: clock.nowMs(), stepStartMs: clock.nowMs() };
    poller.watch({ ...evidenceTarget, ...attempt }, signals);
  };
  const measurements = () => source.asked.filter(({ query }) => query.startsWith('quantile'));
  const polls = () => source.asked.filter(({ query }) => query.includes('timestamp'));
  /** The interval that a problem's message speaks of. */
  const intervalOf = (signals: readonly ResolvedSignal[]): string | undefined =>
    /scrape interval of (\S+) s/.exec(poller.problemOf(null, signals)?.message ?? '')?.[1];

  const measured: readonly (readonly [number, string])[] = [
    [300, '1'],
    [60, '5'],
    [20, '15'],
    [21, '15'],
    [17, '20'],
    [5, '60'],
    [3, '120'],
    [2, '120'],
  ];
  for (const [samples, seconds] of measured) {
    it(`is ${seconds} s where five minutes have ${samples} samples`, async () => {
      source.scrapes = samples;
      start();
      watch();
      await clock.advance(100);
      expect(intervalOf(signalsOf('1s'))).to.equal(seconds);
    });
  }

  it('is measured before anything is judged by it, and until it was twice alike', async () => {
    source.scrapes = 5;
    create();
    watch();
    poller.start();
    for (const ms of [1, 100]) {
      await clock.advance(ms);
      const evidence = poller.read('mesh/shop')?.signals['errorRate'];
      // 2.5 scrapes of 60 s, and not 60 s, into which none may fall.
      expect(evidence).to.include({ state: 'known', windowSeconds: 150 });
    }
    await clock.advance(1_200_000);
    expect(measurements()).to.have.lengthOf(2);
    const fields = { server: 'main', seconds: 60 };
    expect(lines).to.deep.equal([{ message: 'scrape interval measured', fields }]);
  });

  it('is corrected once a gap in the scrapes is over', async () => {
    source.scrapes = 10;
    start();
    watch();
    await clock.advance(100);
    expect(intervalOf(signalsOf('1s'))).to.equal('30');
    source.scrapes = 20;
    told.length = 0;
    await clock.advance(400_000);
    expect(intervalOf(signalsOf('1s'))).to.equal('15');
    expect(told).to.include('mesh/shop');
    await clock.advance(1_200_000);
    expect(measurements()).to.have.lengthOf(3);
  });

  it('is how often the server is asked, but for every 5 s at most', async () => {
    for (const [samples, intervalMs] of [
      [300, 5_000],
      [5, 60_000],
    ] as const) {
      source.scrapes = samples;
      start();
      watch(signalsOf('5m'));
      await clock.advance(assumedMs + 100);
      source.asked.length = 0;
      await clock.advance(10 * intervalMs);
      expect(polls()).to.have.lengthOf.within(9, 11);
      await poller.stop();
    }
  });

  it('is asked for ever more rarely while no counter tells it, and noticed by all', async () => {
    start();
    watch(signalsOf('5m'));
    poller.checkQueries('other/idle', null, []);
    await clock.advance(10 * assumedMs - 1_000);
    expect(measurements()).to.have.lengthOf(5);
    expect(polls()).to.have.lengthOf.within(9, 12);
    source.scrapes = 5;
    told.length = 0;
    await clock.advance(4 * assumedMs);
    expect(told).to.include.members(['mesh/shop', 'other/idle']);
    const { length } = measurements();
    const evidence = () => poller.read('mesh/shop')?.signals['errorRate'];
    expect(evidence()).to.include({ windowSeconds: 60 });
    await clock.advance(120_000);
    expect(evidence()).to.include({ windowSeconds: 150 });
    expect(measurements()).to.have.lengthOf(length);
  });

  it('is measured by every object of the server, also by those without a canary', async () => {
    source.scrapes = 5;
    start();
    poller.checkQueries('other/idle', null, []);
    await clock.advance(2 * assumedMs);
    expect(measurements().map(({ query }) => query.includes('namespace="other"'))).to.deep.equal([
      true,
    ]);
  });

  it('makes no hold too short before the server has answered', async () => {
    source.down = true;
    start();
    poller.checkQueries('other/idle', null, minute);
    await clock.advance(2 * assumedMs);
    expect(poller.problemOf(null, minute)).to.equal(null);
    source.down = false;
    told.length = 0;
    await clock.advance(3 * assumedMs);
    const problem = poller.problemOf(null, minute);
    expect(problem).to.include({ reason: 'HoldShorterThanScrapeAllows' });
    expect(problem?.message).to.match(/interval of 15 s.*The interval is assumed/);
    expect(told).to.deep.equal(['other/idle']);
    source.scrapes = 300;
    await clock.advance(8 * assumedMs);
    expect(poller.problemOf(null, minute)).to.equal(null);
  });

  it('shows a hold that is too short for it', async () => {
    source.scrapes = 5;
    start();
    watch(signalsOf('2m'));
    expect(poller.problemOf(null, signalsOf('2m'))).to.equal(null);
    await clock.advance(100);
    expect(told).to.include('mesh/shop');
    const problem = poller.problemOf(null, signalsOf('2m'));
    expect(problem).to.include({ reason: 'HoldShorterThanScrapeAllows' });
    expect(problem?.message).to.not.include('assumed');
  });

  it('is not measured where it is configured, nor while there is no object', async () => {
    start({ scrapeIntervalIsAssumed: false });
    watch();
    await clock.advance(4 * assumedMs);
    await poller.stop();
    start();
    await clock.advance(4 * assumedMs);
    expect(measurements()).to.deep.equal([]);
  });
});
