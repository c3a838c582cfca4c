// A custom signal that says what it means when its query has no row of the canary.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import type { SignalSpec } from '../../src/api/schema.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import type { SignalJudgement } from '../../src/core/judgement.ts';
import { lookAtSome } from '../../src/sources/look.ts';
import type { Seen } from '../../src/sources/look.ts';
import type { Poller } from '../../src/sources/poller.ts';
import { absence } from '../../src/sources/port.ts';
import type { Subject } from '../../src/sources/questions.ts';
import { specWith } from '../api/spec.ts';
import { FakeClock } from '../runtime/fakeClock.ts';
import { FakeSource } from './fakeSource.ts';
import { pollerOf, pollMs } from './pollerOf.ts';
import { evidenceTarget, serverSettings } from './settings.ts';

const query = 'sum by (namespace, replicaset) (rate(failed_total[1m]))';

describe('a custom signal without a row of the canary', () => {
  let clock: FakeClock;
  let source: FakeSource;
  let poller: Poller;

  beforeEach(() => {
    clock = new FakeClock();
    source = new FakeSource(() => clock.nowMs());
    poller = pollerOf(source, clock);
    poller.start();
  });

  afterEach(() => poller.stop());

  /** The signal's judgement after a minute of a canary whose requests are scraped, or not. */
  const judgedAs = async (
    absentNumerator: SignalSpec['absentNumerator'],
    scraped: (timeMs: number) => boolean = () => true,
  ): Promise<SignalJudgement> => {
    const rollback = { above: '3', for: '20s' };
    const signal = { name: 'failed', unit: 'perSecond', query, rollback } as const;
    const spec = specWith({
      signals: [{ ...signal, ...(absentNumerator === undefined ? {} : { absentNumerator }) }],
    });
    const found = resolvePolicy(spec);
    if (found.kind === 'invalid') throw new Error(found.messages.join('; '));
    const { signals } = found.policy;
    source.revisions.set('mesh/shop-b', (timeMs) => (scraped(timeMs) ? 0 : null));
    const pods = [{ name: 'shop-b-bbbbb', readySinceMs: clock.nowMs() }];
    // Past its hold, the whole of it is read.
    const step = { stepStartMs: clock.nowMs(), stepHoldSeconds: 30 };
    const target = { ...evidenceTarget, ...step, attemptStartMs: clock.nowMs(), canaryPods: pods };
    poller.watch(target, signals);
    await clock.advance(60_000);
    const judgement = judgeSignals(signals, poller.read('mesh/shop'), null).find(
      (each) => each.signal.name === 'failed',
    );
    if (judgement === undefined) throw new Error('the signal was not judged');
    return judgement;
  };

  it('has no evidence unless it says so', async () => {
    source.rows.set(query, []);
    const { level, absence: why } = await judgedAs(undefined);
    expect(level).to.equal('Unknown');
    expect(why?.reason).to.equal('Empty');
  });

  it('counted nothing where it says Zero', async () => {
    source.rows.set(query, []);
    const judgement = await judgedAs('Zero');
    expect(judgement).to.include({ level: 'Normal', absence: null });
    expect(judgement.latest?.value).to.equal(0);
  });

  it('counted nothing over the whole of a range', async () => {
    source.rows.set(query, []);
    const { history, isWhole } = await judgedAs('Zero');
    expect(isWhole).to.equal(true);
    expect(history).to.have.lengthOf.above(20);
    expect(history.every(({ value }) => value === 0)).to.equal(true);
  });

  it('has no evidence of the time in which nobody scraped', async () => {
    source.rows.set(query, []);
    const [fromMs, toMs] = [clock.nowMs() + 30_000, clock.nowMs() + 50_000];
    const { history } = await judgedAs('Zero', (timeMs) => timeMs < fromMs || timeMs > toMs);
    const times = history.map(({ timeMs }) => timeMs);
    expect(times.filter((timeMs) => timeMs < fromMs)).to.not.deep.equal([]);
    expect(times.filter((timeMs) => timeMs > toMs)).to.not.deep.equal([]);
    expect(times.filter((timeMs) => timeMs >= fromMs && timeMs <= toMs)).to.deep.equal([]);
  });

  it('has none where the rows that there are name no revision', async () => {
    source.rows.set(query, [{ labels: { app: 'shop' }, samples: [[0, 9]] }]);
    const { level, absence: why } = await judgedAs('Zero');
    expect(level).to.equal('Unknown');
    expect(why).to.include({ kind: 'untrusted', reason: 'AmbiguousSource' });
    expect(why?.message).to.include('sum by (namespace, replicaset)');
  });

  it('has no evidence of a canary that is not scraped', async () => {
    source.rows.set(query, []);
    const { level, absence: why } = await judgedAs('Zero', () => false);
    expect(level).to.equal('Unknown');
    expect(why?.reason).to.equal('Empty');
  });

  it('has none where the query failed', async () => {
    const refused = absence('unreachable', 'ServerError', 'no');
    source.refusals.set(query, { ok: false, absence: refused });
    expect((await judgedAs('Zero')).absence?.reason).to.equal('ServerError');
  });

  it('is judged by a row that is there', async () => {
    const labels = { namespace: 'mesh', replicaset: 'shop-b' };
    source.rows.set(query, [{ labels, samples: [[0, 9]] }]);
    const judgement = await judgedAs('Zero');
    expect(judgement).to.include({ level: 'Breach' });
    expect(judgement.breach.state).to.equal('held');
  });

  /** One object whose only signal is the custom one. */
  const subjectOf = (name: string, absentNumerator: 'Zero' | 'NoData'): Subject => {
    const rollback = { above: '3', for: '20s' };
    const signal = { name: 'failed', unit: 'perSecond', query, rollback, absentNumerator } as const;
    const found = resolvePolicy(specWith({ signals: [signal] }));
    if (found.kind === 'invalid') throw new Error(found.messages.join('; '));
    const canaryReplicaSet = `${name}-b`;
    source.revisions.set(`mesh/${canaryReplicaSet}`, () => 0);
    return {
      target: { ...evidenceTarget, key: `mesh/${name}`, canaryReplicaSet },
      signals: found.policy.signals.filter(({ kind }) => kind === 'custom'),
      pods: new Set([`${canaryReplicaSet}-bbbbb`]),
      absentSinceMs: {},
    };
  };
  const lookAt = (...subjects: readonly Subject[]): Promise<Seen> => {
    const server = { source, settings: serverSettings, isShared: () => true };
    return lookAtSome(server, subjects, clock.nowMs());
  };

  it('says so for its own object alone, whoever else has the query and the limits', async () => {
    source.rows.set(query, []);
    const [zero, plain] = [subjectOf('zero', 'Zero'), subjectOf('plain', 'NoData')];
    for (const subjects of [
      [zero, plain],
      [plain, zero],
    ]) {
      const seen = await lookAt(...subjects);
      const countOf = (subject: Subject): number | undefined => {
        const found = seen.evidenceOn(subjects.indexOf(subject), subject).signals['failed'];
        return found?.state === 'known' ? found.latest.points.length : undefined;
      };
      expect([countOf(zero), countOf(plain)]).to.deep.equal([1, 0]);
    }
  });

  it('is asked about for fewer where its requests are too much', async () => {
    source.rows.set(query, []);
    const instant = source.instant.bind(source);
    source.instant = (text, timeMs, take) =>
      text.includes('rate(http_requests_total')
        ? Promise.resolve({ ok: false, absence: absence('untrusted', 'TooManySeries', 'many') })
        : instant(text, timeMs, take);
    const [zero, plain] = [subjectOf('zero', 'Zero'), subjectOf('plain', 'NoData')];
    const seen = await lookAt(zero, plain);
    expect([seen.tooMuchOn(0, zero), seen.tooMuchOn(1, plain)]).to.deep.equal(['size', null]);
  });

  it('is not told that its query matches nothing', async () => {
    source.rows.set(query, []);
    const reportsOf = (absentNumerator: 'Zero' | 'NoData') => {
      const critical = { above: '3' };
      const signal = { name: 'failed', unit: 'count', query, critical, absentNumerator } as const;
      const found = resolvePolicy(specWith({ signals: [signal] }));
      if (found.kind === 'invalid') throw new Error(found.messages.join('; '));
      return poller.checkQueries('mesh/shop', null, found.policy.signals);
    };
    reportsOf('Zero');
    await clock.advance(pollMs);
    expect(reportsOf('Zero')).to.deep.equal([]);
    expect(reportsOf('NoData')[0]?.kind).to.equal('empty');
  });
});
