// The way to the lead: in which order the lease, the watches and the lists come, and what becomes
// of a leader whose lists do not.
import { expect } from 'chai';
import { takeLead } from '../../src/cli/leadership.ts';
import { FakeClock, settle } from '../runtime/fakeClock.ts';

function setUp(ledAtOnce: boolean, boundMs: number | null) {
  const clock = new FakeClock();
  const trace: string[] = [];
  const leading = Promise.withResolvers<void>();
  const synced = Promise.withResolvers<void>();
  const relisted = Promise.withResolvers<void>();
  const election = {
    start: async () => {
      trace.push('election');
      if (ledAtOnce) leading.resolve();
      return ledAtOnce;
    },
    whenLeading: () => leading.promise,
  };
  const watch = {
    start: () => void trace.push('watch'),
    whenSynced: () => synced.promise,
    relist: () => {
      trace.push('relist');
      return relisted.promise;
    },
  };
  const log = (_: unknown, message: string): void => void trace.push(message);
  const result: { leads?: boolean } = {};
  const ended = takeLead({ election, watch, clock, log, boundMs }).then(
    (leads) => void (result.leads = leads),
  );
  return { clock, trace, leading, synced, relisted, result, ended };
}

describe('taking the lead', () => {
  it('needs the first lists alone when the lease was there before them', async () => {
    const { trace, synced, result, ended, clock } = setUp(true, 30_000);
    await settle();
    expect([trace, result]).to.deep.equal([['election', 'watch'], {}]);
    synced.resolve();
    await ended;
    expect([trace, result]).to.deep.equal([['election', 'watch', 'ready'], { leads: true }]);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('waits with warm caches for the lease, and lists anew once it has it', async () => {
    const { trace, leading, synced, relisted, result, ended, clock } = setUp(false, 30_000);
    synced.resolve();
    await clock.advance(3_600_000);
    expect([trace, result]).to.deep.equal([['election', 'watch', 'ready'], {}]);
    leading.resolve();
    await clock.advance(29_999);
    expect([trace.at(-1), result]).to.deep.equal(['relist', {}]);
    relisted.resolve();
    await ended;
    expect(result).to.deep.equal({ leads: true });
  });

  for (const [when, ledAtOnce] of [
    ['first lists', true],
    ['new lists', false],
  ] as const) {
    it(`ends without the lead when its ${when} do not come in time`, async () => {
      const { leading, synced, result, clock } = setUp(ledAtOnce, 30_000);
      if (!ledAtOnce) synced.resolve();
      leading.resolve();
      await clock.advance(29_999);
      expect(result).to.deep.equal({});
      await clock.advance(1);
      expect(result).to.deep.equal({ leads: false });
    });
  }

  it('waits for as long as it takes where there is no lease', async () => {
    const { synced, result, ended, clock } = setUp(true, null);
    await clock.advance(3_600_000);
    expect(result).to.deep.equal({});
    synced.resolve();
    await ended;
    expect(result).to.deep.equal({ leads: true });
  });
});
