// A status that can't be written: what it says is told once all the same, why it is not written is
// said once, and it is tried again ever later, save while traffic is to be taken away.
import { expect } from 'chai';
import type { WriteResult } from '../../src/kube/port.ts';
import type { PassResult } from '../../src/reconcile/nextLook.ts';
import { breaching, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

const failing = (reason: string) => async (): Promise<WriteResult<never>> => ({
  kind: 'failed',
  reason,
  error: new Error(`words of ${reason}`),
});
const said = 'the status of an object could not be written';

describe('a status that can not be written', () => {
  let cluster: FakeCluster;
  let scene: Scene;
  const takes = async (): Promise<WriteResult<never>> => ({
    kind: 'done',
    object: undefined as never,
  });

  const begin = (change: Partial<typeof spec.canary> & { readonly mode?: 'Observe' }): void => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, ...change } });
    scene = new Scene(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
    });
    scene.moveRoutes = async () => [{ kind: 'done', route: 'shop', changed: true, atMs: 5 }];
    scene.takeStatus = failing('Forbidden');
    breaching(cluster, 7);
  };

  beforeEach(() => begin({}));

  /** One pass, after which the cluster is as its writes left it. */
  const pass = async (): Promise<PassResult> => {
    const result = await scene.pass();
    cluster.pass({ loseStatus: true });
    return result;
  };
  const passes = async (count: number): Promise<readonly PassResult[]> => {
    const results: PassResult[] = [];
    for (let i = 0; i < count; i++) results.push(await pass());
    return results;
  };

  it('tells of its incident once, and once that it was rolled back', async () => {
    await passes(6);
    expect(scene.statuses.at(-1)?.phase).to.equal('RolledBack');
    expect(scene.incidents).to.deep.equal(['HIGH_ERROR_RATE']);
    expect(scene.told).to.deep.equal(['RollbackDecided', 'RolledBack']);
  });

  it('tells of neither anew when it is written at last', async () => {
    await passes(2);
    scene.takeStatus = takes;
    await pass();
    expect(scene.incidents).to.deep.equal(['HIGH_ERROR_RATE']);
    expect(scene.told).to.deep.equal(['RollbackDecided', 'RolledBack']);
  });

  it('is counted each time, and said once for each reason until one is written', async () => {
    await passes(3);
    scene.takeStatus = failing('Network');
    await passes(2);
    scene.takeStatus = takes;
    await pass();
    scene.takeStatus = failing('Network');
    await passes(2);
    const [refused, lost] = ['Forbidden', 'Network'];
    const counted = [refused, refused, refused, lost, lost, lost, lost];
    expect(scene.statusFailures).to.deep.equal(counted);
    expect(scene.logged.filter((line) => line === said)).to.have.lengthOf(3);
  });

  it('is counted as Invalid where the API server does not take it', async () => {
    scene.takeStatus = async () => ({ kind: 'refused', message: 'too long' });
    await pass();
    expect(scene.statusFailures).to.deep.equal(['Invalid']);
  });

  it('is no failure where it met another writer, or may not be sent any more', async () => {
    for (const kind of ['conflict', 'missing'] as const) {
      scene.takeStatus = async () => ({ kind, message: 'changed' });
      await pass();
    }
    scene.takeStatus = failing('NotLeading');
    await pass();
    expect(scene.statusFailures).to.deep.equal([]);
    expect(scene.logged).not.to.include(said);
  });

  it('is tried again ever later once the canary has no traffic', async () => {
    const seconds: number[] = [];
    for (let i = 0; i < 16; i++) {
      const { lookAgainMs, urgent } = await pass();
      expect(urgent).to.equal(false);
      seconds.push((lookAgainMs ?? 0) / 1000);
      await scene.clock.advance(lookAgainMs ?? 0);
      cluster.nowMs = scene.clock.nowMs();
    }
    // After the drain the canary is scaled down, and what changed something begins anew.
    expect(seconds[0]).to.equal(1);
    const start = seconds.lastIndexOf(1);
    expect(seconds.slice(start, start + 8)).to.deep.equal([1, 2, 4, 8, 16, 32, 60, 60]);
    scene.takeStatus = takes;
    await pass();
    scene.takeStatus = failing('Forbidden');
    expect((await pass()).lookAgainMs).to.equal(1_000);
  });

  it('slows nothing while the canary has traffic that is to be taken away', async () => {
    for (const revision of cluster.revisions.keys()) cluster.ready.set(revision, 1);
    for (const { lookAgainMs, urgent } of await passes(4)) {
      expect(urgent).to.equal(true);
      expect(lookAgainMs).to.be.within(0, 5_000);
    }
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('has, once it is written, what was only recorded and has passed since', async () => {
    begin({ mode: 'Observe' });
    await passes(2);
    breaching(cluster, 7, 0);
    await passes(2);
    scene.takeStatus = takes;
    await pass();
    const alerts = scene.statuses.at(-1)?.incidents?.map(({ alert }) => alert);
    expect(alerts).to.deep.equal(['HIGH_ERROR_RATE']);
    expect(scene.incidents).to.deep.equal(['HIGH_ERROR_RATE']);
    expect(scene.told.filter((reason) => reason === 'IncidentRecorded')).to.have.lengthOf(1);
  });
});
