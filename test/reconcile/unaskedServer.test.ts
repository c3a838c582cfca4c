// A canary in traffic of which a process that has just started has no evidence yet.
import { expect } from 'chai';
import type { Reason } from '../../src/api/reasons.ts';
import { healthyFor, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';
import { Scene } from './scene.ts';

describe('a metric server that was not asked yet', () => {
  let cluster: FakeCluster;
  let scene: Scene;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
    scene = new Scene(cluster, (revision) => {
      cluster.rollOut(revision);
      cluster.nowMs += 8_000;
      healthyFor(cluster, 7);
      cluster.evidence = null;
    });
  });

  const passWith = async (reason: Reason): Promise<readonly string[]> => {
    scene.serverProblem = { reason, message: 'no' };
    await scene.pass();
    return scene.statuses.flatMap(({ conditions }) => conditions?.map((each) => each.reason) ?? []);
  };

  it('has nothing written or told, not even what stalls, until it was', async () => {
    expect(await passWith('HoldShorterThanScrapeAllows')).to.deep.equal([]);
    expect(scene.told).to.deep.equal([]);
    healthyFor(cluster, 1);
    expect(await passWith('HoldShorterThanScrapeAllows')).to.include('HoldShorterThanScrapeAllows');
    expect(scene.told).to.deep.equal(['HoldShorterThanScrapeAllows']);
  });

  it('is not waited for where it is not configured', async () => {
    expect(await passWith('UnknownServer')).to.include('UnknownServer');
    expect(scene.told).to.deep.equal(['UnknownServer']);
  });

  it('is not waited for where it is not configured and the spec is invalid besides', async () => {
    const critical = { above: '20%' };
    scene.invalidEdit = { signals: [{ name: 'errorRate', critical }] };
    expect(await passWith('UnknownServer')).to.include('InvalidSpec');
    expect(scene.told).to.include('InvalidSpec');
  });
});
