// A hand-back of the routes' fields that fails: nothing waits for it, it is said once, and it is
// tried again ever later.
import { expect } from 'chai';
import type { RouteOutcome } from '../../src/traffic/port.ts';
import { breaching, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

const refused: RouteOutcome = {
  kind: 'failed',
  route: 'shop',
  reason: 'Forbidden',
  error: new Error('HTTPRoute shop could not be written: not allowed'),
};

describe("a hand-back of the routes' fields", () => {
  let scene: Scene;
  let tried: number;
  let answer: RouteOutcome;

  beforeEach(() => {
    const cluster = new FakeCluster(spec);
    // A rollback at its end: drained, and the entry is there still.
    scene = new Scene(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
      breaching(cluster, 7);
      cluster.settle();
      cluster.nowMs += 5_000;
      cluster.settle();
      cluster.route.fieldsOwned = true;
    });
    tried = 0;
    answer = refused;
    scene.handBackRoutes = async () => {
      tried++;
      return [answer];
    };
  });

  it('that fails is no failure of the pass, and is tried again in a minute', async () => {
    const pass = { result: 'done', lookAgainMs: 60_000, urgent: false };
    expect(await scene.pass()).to.deep.equal(pass);
    expect(scene.logged).to.deep.equal([
      'the fields of the routes could not be handed back; it is tried again later',
    ]);
    await scene.clock.advance(20_000);
    expect(await scene.pass(), 'of another event').to.include({ lookAgainMs: 40_000 });
    expect(tried).to.equal(1);
  });

  it('that fails again and again is tried ever later, up to an hour, and said once', async () => {
    const waits: (number | null)[] = [];
    for (let i = 0; i < 9; i++) {
      const { lookAgainMs } = await scene.pass();
      waits.push(lookAgainMs);
      await scene.clock.advance(lookAgainMs ?? 0);
    }
    const minutes = waits.map((ms) => (ms ?? 0) / 60_000);
    expect(minutes).to.deep.equal([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(tried).to.equal(9);
    expect(scene.logged).to.have.lengthOf(1);
  });

  it('that succeeds begins anew, and is followed by a look', async () => {
    await scene.pass();
    await scene.clock.advance(60_000);
    answer = { kind: 'done', route: 'shop', changed: true, atMs: 5 };
    expect(await scene.pass()).to.include({ result: 'done', lookAgainMs: 0 });
    answer = refused;
    expect(await scene.pass()).to.include({ lookAgainMs: 60_000 });
    expect(scene.logged.filter((line) => line.includes('tried again later'))).to.have.lengthOf(2);
  });

  it('that meets another writer is looked at again', async () => {
    answer = { kind: 'conflict', route: 'shop', message: 'changed' };
    expect(await scene.pass()).to.include({ result: 'conflict', lookAgainMs: 50 });
    expect(scene.logged).to.deep.equal([]);
  });
});
