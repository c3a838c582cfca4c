// The order in which the operator ends, and that what hangs holds up neither the lease nor the end.
import { expect } from 'chai';
import { stopSteps } from '../../src/cli/stopSteps.ts';
import { installShutdown } from '../../src/runtime/shutdown.ts';
import { FakeClock, settle } from '../runtime/fakeClock.ts';

type Part = 'gate' | 'election' | 'recorder' | 'queue' | 'poller' | 'watch' | 'transport';

/** Ends the operator; parts that hang never stop. */
function end(...hanging: readonly Part[]) {
  const clock = new FakeClock();
  const trace: string[] = [];
  const exits: number[] = [];
  const stop = (part: Part) => (): Promise<void> => {
    trace.push(part);
    return hanging.includes(part) ? new Promise(() => undefined) : Promise.resolve();
  };
  const begin = installShutdown({
    process: { onSignal: () => undefined, exit: (code) => void exits.push(code) },
    clock,
    log: () => undefined,
    boundMs: 10_000,
    steps: stopSteps({
      stopping: { abort: () => void trace.push('stopping') },
      queue: { shutdown: stop('queue') },
      gate: { close: stop('gate') },
      election: { stop: stop('election') },
      recorder: { stop: stop('recorder') },
      poller: { stop: stop('poller') },
      watch: { stop: stop('watch') },
      listeners: [{ close: async () => void trace.push('listener') }],
      transport: { close: stop('transport') },
      stopGiving: () => void trace.push('memory'),
    }),
  });
  begin('SIGTERM', 0);
  return { clock, trace, exits };
}

const rest = ['poller', 'watch', 'listener', 'transport', 'memory'];

describe('the end of the operator', () => {
  it('lets no write out first, gives the lease back, tells, and stops the rest', async () => {
    const { trace, exits, clock } = end();
    await settle();
    const first = ['stopping', 'queue', 'gate', 'election', 'recorder', 'queue'];
    expect(trace).to.deep.equal([...first, ...rest]);
    expect([exits, clock.pendingTimers]).to.deep.equal([[0], 0]);
  });

  for (const [part, what, atMs] of [
    ['gate', 'a write that has left', 1_000],
    ['recorder', 'an Event', 1_000],
    ['queue', 'a pass', 2_000],
  ] as const) {
    it(`waits for ${what} ${atMs} ms at most`, async () => {
      const { trace, exits, clock } = end(part);
      await clock.advance(atMs - 1);
      expect(trace.at(-1)).to.equal(part);
      expect(trace.includes('election')).to.equal(part !== 'gate');
      await clock.advance(1);
      expect(trace).to.include.members(['election', ...rest]);
      expect(exits).to.deep.equal([0]);
    });
  }
});
