// What the probes say, and that one exposition is shared by those who ask at the same time.
import { expect } from 'chai';
import type { Answer } from '../../src/telemetry/listener.ts';
import type { Exposition } from '../../src/telemetry/metrics.ts';
import { metricsPaths, probePaths } from '../../src/telemetry/probes.ts';
import { FakeClock } from '../runtime/fakeClock.ts';

async function answerAt(paths: ReturnType<typeof probePaths>, path: string): Promise<Answer> {
  const answer = paths.get(path);
  if (answer === undefined) throw new Error(`there is no ${path}`);
  return answer();
}

describe('the probes', () => {
  it('are alive whatever is not ready, and name that', async () => {
    let unready: readonly string[] = ['pods', 'services in mesh'];
    const paths = probePaths(() => unready);
    expect(await answerAt(paths, '/healthz')).to.include({ status: 200, text: 'ok\n' });
    expect(await answerAt(paths, '/readyz')).to.include({
      status: 503,
      text: 'not ready: pods, services in mesh\n',
    });
    unready = [];
    expect(await answerAt(paths, '/readyz')).to.include({ status: 200, text: 'ok\n' });
    expect([...paths.keys()]).to.deep.equal(['/healthz', '/readyz']);
  });
});

describe('the metrics', () => {
  let clock: FakeClock;
  let reads: PromiseWithResolvers<Exposition>[];
  let paths: ReturnType<typeof metricsPaths>;

  const ask = (): Promise<Answer> => answerAt(paths, '/metrics');
  const give = (read: number): void =>
    reads[read]?.resolve({ contentType: 'text/plain; version=0.0.4', text: `a ${read}\n` });

  beforeEach(() => {
    clock = new FakeClock();
    reads = [];
    paths = metricsPaths(() => {
      const read = Promise.withResolvers<Exposition>();
      reads.push(read);
      return read.promise;
    }, clock);
  });

  it('come in their own type', async () => {
    const asked = ask();
    give(0);
    expect(await asked).to.deep.equal({
      status: 200,
      contentType: 'text/plain; version=0.0.4',
      text: 'a 0\n',
    });
  });

  it('are made once for all that ask within a second', async () => {
    const first = ask();
    give(0);
    await first;
    await clock.advance(999);
    expect(await ask()).to.include({ text: 'a 0\n' });
    await clock.advance(1);
    const second = ask();
    give(1);
    expect(await second).to.include({ text: 'a 1\n' });
  });

  it('are made once for all that ask meanwhile, however long that takes', async () => {
    const first = ask();
    await clock.advance(5_000);
    const second = ask();
    expect(reads).to.have.lengthOf(1);
    give(0);
    expect(await first).to.deep.equal(await second);
    void ask();
    expect(reads, 'too old by now').to.have.lengthOf(2);
  });

  it('are made anew after they could not be made', async () => {
    const failed = ask().catch((error: unknown) => String(error));
    reads[0]?.reject(new Error('broken'));
    expect(await failed).to.equal('Error: broken');
    const next = ask();
    give(1);
    expect(await next).to.include({ text: 'a 1\n' });
  });
});
