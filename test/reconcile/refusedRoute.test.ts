// A rollback whose routes the API server refuses: it is tried again soon and for ever, is said
// once, and stands in the status.
import { expect } from 'chai';
import type { Status } from '../../src/api/schema.ts';
import type { RouteOutcome } from '../../src/traffic/port.ts';
import { breaching, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

const said = 'setWeights did not succeed';

describe('a rollback whose routes can not be written', () => {
  let cluster: FakeCluster;
  let scene: Scene;

  const refuse = (reason: string, words: string): void => {
    const error = new Error(`HTTPRoute shop could not be written: ${words}`);
    scene.moveRoutes = async (): Promise<RouteOutcome[]> => [
      { kind: 'failed', route: 'shop', reason, error },
    ];
  };
  const take = (): void => {
    scene.moveRoutes = async () => [{ kind: 'done', route: 'shop', changed: true, atMs: 5 }];
  };

  beforeEach(() => {
    cluster = new FakeCluster(spec);
    scene = new Scene(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
    });
    breaching(cluster, 7);
    refuse('Forbidden', 'admission webhook "w" denied the request: no changes. Ask 10.0.0.1');
  });

  /** One pass, after which the cluster is as its writes left it. */
  const pass = async (): ReturnType<Scene['pass']> => {
    const result = await scene.pass();
    cluster.pass({ fails: ({ kind }) => kind === 'setWeights' });
    return result;
  };
  const status = (): Status | undefined => scene.statuses.at(-1);
  const routed = () => status()?.conditions?.find(({ type }) => type === 'TrafficRouted');

  it('is tried again at once, then ever later, and never later than after 5 s', async () => {
    const waits: (number | null)[] = [];
    for (let i = 0; i < 9; i++) {
      const { lookAgainMs, result, urgent } = await pass();
      expect([result, urgent]).to.deep.equal(['failed', true]);
      waits.push(lookAgainMs);
    }
    expect(waits).to.deep.equal([0, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  });

  it('is tried again at once where it was refused anew', async () => {
    for (let i = 0; i < 5; i++) await pass();
    take();
    await scene.pass();
    refuse('Forbidden', 'no');
    expect((await scene.pass()).lookAgainMs).to.equal(0);
  });

  it('is said once for each reason, and in one Event, and counted each time', async () => {
    for (let i = 0; i < 3; i++) await pass();
    refuse('Network', 'connect ECONNREFUSED');
    for (let i = 0; i < 3; i++) await pass();
    expect(scene.logged.filter((line) => line === said)).to.have.lengthOf(2);
    expect(scene.told.filter((reason) => reason === 'RouteWriteFailed')).to.have.lengthOf(1);
    const counted = ['Forbidden', 'Forbidden', 'Forbidden', 'Network', 'Network', 'Network'];
    expect(scene.routeFailures).to.deep.equal(counted);
    take();
    await scene.pass();
    refuse('Network', 'connect ECONNREFUSED');
    await scene.pass();
    expect(scene.logged.filter((line) => line === said)).to.have.lengthOf(3);
    expect(scene.told.filter((reason) => reason === 'RouteWriteFailed')).to.have.lengthOf(2);
  });

  it('is no failure of the API server where the lease is lost', async () => {
    refuse('NotLeading', 'not sent');
    await pass();
    expect(scene.logged).not.to.include(said);
    expect(scene.told).not.to.include('RouteWriteFailed');
    expect(scene.routeFailures).to.deep.equal([]);
  });

  it('stands in the status, with the first sentence of why', async () => {
    for (let i = 0; i < 3; i++) {
      await pass();
      expect(status()?.phase).to.equal('RollingBack');
      expect(status()?.canary?.weight).to.equal(20);
      expect(routed()).to.include({
        status: 'False',
        reason: 'RouteWriteFailed',
        message:
          'Forbidden: HTTPRoute shop could not be written: ' +
          'admission webhook "w" denied the request: no changes.',
      });
    }
    take();
    await scene.pass();
    expect(status()?.phase).to.equal('RolledBack');
    expect(routed()?.reason).not.to.equal('RouteWriteFailed');
  });

  it('has a bound on those words', async () => {
    refuse('Invalid', 'x'.repeat(10_000));
    await pass();
    expect(routed()?.message).to.have.lengthOf.below(300);
  });

  it('is written into the status once, however the numbers in those words change', async () => {
    refuse('Forbidden', 'request 17 was denied');
    for (let i = 0; i < 3; i++) {
      await pass();
      cluster.status = status();
    }
    const before = scene.statuses.length;
    refuse('Forbidden', 'request 18 was denied');
    await scene.pass();
    expect(scene.statuses).to.have.lengthOf(before);
  });
});
