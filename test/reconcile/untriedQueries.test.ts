// What the status says of a query, while a process that has just started knows nothing of it.
import { expect } from 'chai';
import type { Status } from '../../src/api/schema.ts';
import { spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

describe('a query that was not asked yet', () => {
  let cluster: FakeCluster;
  let scene: Scene;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
    scene = new Scene(cluster, () => undefined);
  });

  /** What a pass writes when this is known of the query; undefined when it writes nothing. */
  const pass = async (
    kind: 'untried' | 'empty' | 'refused' | 'fine',
  ): Promise<Status | undefined> => {
    scene.reports =
      kind === 'fine' ? [] : [{ signal: 'queue', query: 'depth', kind, message: 'no' }];
    scene.statuses.length = 0;
    await scene.pass();
    const [written] = scene.statuses;
    cluster.status = written ?? cluster.status;
    return written;
  };
  const reasonsOf = (status: Status | undefined): readonly string[] =>
    status?.conditions?.map(({ reason }) => reason) ?? [];
  /** As if the spec had been edited since. */
  const age = (): void => {
    const conditions = (cluster.status?.conditions ?? []).map((condition) => ({
      ...condition,
      observedGeneration: 0,
    }));
    cluster.status = { ...cluster.status, conditions };
  };

  for (const [kind, reason] of [
    ['empty', 'QueryEmpty'],
    ['refused', 'InvalidQuery'],
  ] as const) {
    it(`is still ${kind} if the status says so, until an answer says another thing`, async () => {
      expect(reasonsOf(await pass(kind))).to.include(reason);
      expect(await pass('untried')).to.equal(undefined);
      expect(await pass(kind)).to.equal(undefined);
      expect(reasonsOf(await pass('fine'))).not.to.include(reason);
    });

    it(`is not ${kind} because one of an older spec was`, async () => {
      await pass(kind);
      age();
      const status = await pass('untried');
      expect(status).not.to.equal(undefined);
      expect(reasonsOf(status)).not.to.include(reason);
    });
  }
});
