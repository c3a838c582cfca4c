// The order and the bound of a shutdown, with a fake process.
import { expect } from 'chai';
import { installShutdown, type StopStep } from '../../src/runtime/shutdown.ts';
import { FakeClock, settle } from './fakeClock.ts';

type Signal = 'SIGTERM' | 'SIGINT';

function setUp(steps: readonly StopStep[]) {
  const clock = new FakeClock();
  let send: (signal: Signal) => void = () => undefined;
  const exits: number[] = [];
  const process = {
    onSignal: (listener: typeof send) => void (send = listener),
    exit: (code: number) => void exits.push(code),
  };
  const begin = installShutdown({ process, clock, log: () => undefined, steps, boundMs: 1000 });
  return { clock, exits, send: (signal: Signal) => send(signal), begin };
}

describe('shutdown', () => {
  it('runs the steps in order, one after the other, and exits with 0', async () => {
    const trace: string[] = [];
    const first = Promise.withResolvers<void>();
    const { exits, send, clock } = setUp([
      {
        name: 'first',
        stop: async () => {
          await first.promise;
          trace.push('first');
        },
      },
      {
        name: 'second',
        stop: async () => {
          await Promise.resolve();
          trace.push('second');
        },
      },
    ]);
    send('SIGTERM');
    await settle();
    expect(trace).to.deep.equal([]);
    first.resolve();
    await settle();
    expect(trace).to.deep.equal(['first', 'second']);
    expect(exits).to.deep.equal([0]);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('goes on after a step that fails, and exits with 1', async () => {
    let reached = false;
    const { exits, send } = setUp([
      { name: 'bad', stop: () => Promise.reject(new Error('no')) },
      {
        name: 'good',
        stop: async () => {
          await Promise.resolve();
          reached = true;
        },
      },
    ]);
    send('SIGINT');
    await settle();
    expect(reached).to.equal(true);
    expect(exits).to.deep.equal([1]);
  });

  it('leaves a step whose own bound is over, and exits with 0', async () => {
    const trace: string[] = [];
    const { clock, exits, send } = setUp([
      { name: 'slow', stop: () => new Promise(() => {}), boundMs: 300 },
      { name: 'quick', stop: async () => void trace.push('quick'), boundMs: 300 },
      { name: 'bad', stop: () => Promise.reject(new Error('no')), boundMs: 300 },
    ]);
    send('SIGTERM');
    await clock.advance(299);
    expect(trace).to.deep.equal([]);
    await clock.advance(1);
    expect(trace).to.deep.equal(['quick']);
    expect(exits, 'a failure is one all the same').to.deep.equal([1]);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('begins without a signal, and exits with the code that it was given', async () => {
    const trace: string[] = [];
    const steps = [{ name: 'only', stop: async () => void trace.push('only') }];
    const { begin, exits } = setUp(steps);
    begin('nothing is left to do', 1);
    await settle();
    expect([trace, exits]).to.deep.equal([['only'], [1]]);
  });

  it('exits with 1 when the bound is over', async () => {
    const { clock, exits, send } = setUp([{ name: 'stuck', stop: () => new Promise(() => {}) }]);
    send('SIGTERM');
    await clock.advance(999);
    expect(exits).to.deep.equal([]);
    await clock.advance(1);
    expect(exits).to.deep.equal([1]);
  });

  it('exits at once on a second signal', async () => {
    const { exits, send } = setUp([{ name: 'stuck', stop: () => new Promise(() => {}) }]);
    send('SIGTERM');
    send('SIGINT');
    await settle();
    expect(exits).to.deep.equal([1]);
  });
});
