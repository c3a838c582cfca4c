// Waiting for an API server that is away: how often it is asked, what is said meanwhile, and how
// the waiting ends.
import { expect } from 'chai';
import { errorFromStatus, KubeError } from '../../src/kube/errors.ts';
import { waitForServer } from '../../src/kube/serverWait.ts';
import { FakeClock, settle } from '../runtime/fakeClock.ts';

const serverUrl = 'https://kubernetes:443';

function away(why: string): KubeError {
  return new KubeError(why, { kind: 'retryable', status: 0, reason: 'Network' });
}

describe('waiting for the API server', () => {
  let clock: FakeClock;
  let stop: AbortController;
  let asked: number[];
  let logged: unknown[];
  let answer: () => string;

  beforeEach(() => {
    clock = new FakeClock();
    stop = new AbortController();
    [asked, logged] = [[], []];
    answer = () => 'there';
  });

  afterEach(() => expect(clock.pendingTimers, 'timers left behind').to.equal(0));

  const wait = () =>
    waitForServer(
      async () => {
        asked.push(clock.monotonicMs());
        return answer();
      },
      {
        serverUrl,
        clock,
        random: () => 1,
        log: (level, message, fields) => void logged.push([level, message, fields?.['error']]),
        signal: stop.signal,
      },
    );

  const fail = (error: Error): void => {
    answer = () => {
      throw error;
    };
  };

  it('is over at once when it answers', async () => {
    const { pending, answer: came } = wait();
    expect(pending()).to.equal(`the API server ${serverUrl}`);
    expect(await came).to.equal('there');
    expect([pending(), logged]).to.deep.equal([null, []]);
  });

  it('asks again with growing waits, half a minute at most, for as long as it takes', async () => {
    fail(away('connect ECONNREFUSED'));
    const { pending, answer: came } = wait();
    await clock.advance(600_000);
    const waits = asked.slice(1).map((at, i) => at - (asked[i] ?? 0));
    expect(waits.slice(0, 8)).to.deep.equal([
      500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
    expect(pending()).to.equal(`the API server ${serverUrl} (connect ECONNREFUSED)`);
    answer = () => 'back';
    await clock.advance(30_000);
    expect(await came).to.equal('back');
    expect(pending()).to.equal(null);
  });

  it('says once for each reason why it waits', async () => {
    fail(away('connect ECONNREFUSED'));
    const { answer: came } = wait();
    await clock.advance(60_000);
    fail(errorFromStatus(401, { message: 'Unauthorized' }, false));
    await clock.advance(120_000);
    answer = () => 'back';
    await clock.advance(30_000);
    await came;
    expect(logged).to.deep.equal([
      ['warn', 'waiting for the API server', 'connect ECONNREFUSED'],
      ['warn', 'waiting for the API server', 'Unauthorized'],
    ]);
  });

  it('ends when it is told to, in a wait or in mid-request, and says nothing of that', async () => {
    fail(away('connect ECONNREFUSED'));
    const waiting = wait();
    await settle();
    stop.abort();
    expect(await waiting.answer).to.equal(null);
    const inRequest = wait();
    expect(await inRequest.answer).to.equal(null);
    expect(logged).to.have.lengthOf(1);
    expect(asked).to.have.lengthOf(2);
  });

  it('hides no fault of its own', async () => {
    fail(new TypeError('odd'));
    const error = await wait().answer.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(TypeError);
  });
});
