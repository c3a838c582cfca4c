// What the status says of a query, while a process that has just started knows nothing of it.
import { expect } from 'chai';
import type { Status } from '../../src/api/schema.ts';
import { healthyFor, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

type Kind = 'untried' | 'empty' | 'refused' | 'fine';

describe('a query that was not asked yet', () => {
  let cluster: FakeCluster;
  let scene: Scene;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
    scene = new Scene(cluster, () => undefined);
  });

  /** What a pass writes when this is known of the queries; undefined when it writes nothing. */
  const pass = async (...kinds: Kind[]): Promise<Status | undefined> => {
    scene.reports = kinds.flatMap((kind, nth) =>
      kind === 'fine'
        ? []
        : [{ signal: `queue-${nth}`, query: `depth_${nth}`, kind, message: 'no' }],
    );
    scene.statuses.length = 0;
    await scene.pass();
    const [written] = scene.statuses;
    cluster.status = written ?? cluster.status;
    return written;
  };
  /** What the status says after a pass, whether or not it was written. */
  const reasonsAfter = async (...kinds: Kind[]): Promise<readonly string[]> => {
    await pass(...kinds);
    return cluster.status?.conditions?.map(({ reason }) => reason) ?? [];
  };
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
      expect(await reasonsAfter(kind)).to.include(reason);
      expect(await pass('untried')).to.equal(undefined);
      expect(await pass(kind)).to.equal(undefined);
      expect(await reasonsAfter('fine')).not.to.include(reason);
    });

    it(`is not ${kind} because one of an older spec was`, async () => {
      await pass(kind);
      age();
      expect(await reasonsAfter('untried')).not.to.include(reason);
    });

    it(`is not ${kind} because another one was`, async () => {
      expect(await reasonsAfter(kind, 'fine')).to.include(reason);
      expect(await reasonsAfter('fine', 'untried')).not.to.include(reason);
    });

    it(`is still ${kind} when the answer of another one comes first`, async () => {
      await pass(kind, kind);
      expect(await pass('untried', kind)).to.equal(undefined);
      expect(await pass(kind, kind)).to.equal(undefined);
    });
  }

  it('that was refused leaves the evidence of a canary as told, while none is read', async () => {
    scene = new Scene(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
      healthyFor(cluster, 7);
    });
    expect(await reasonsAfter('refused')).to.include.members(['InvalidQuery', 'EvidenceAvailable']);
    cluster.evidence = null;
    expect(await pass('untried')).to.equal(undefined);
    expect(await pass('refused')).to.equal(undefined);
  });
});
