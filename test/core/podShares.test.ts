// Shares without a router: how pod counts move forward within the surge bounds, and back.
import { expect } from 'chai';
import { podsForShare } from '../../src/core/situation.ts';
import { breaching, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

const stable = 'aaaaaaaaaa';
let cluster: FakeCluster;

/** Stable's pods, the canary's pods. */
function counts(): readonly (number | undefined)[] {
  return [cluster.revisions.get(stable)?.replicas, cluster.revisions.get('b')?.replicas];
}

describe('shares as pod counts', () => {
  beforeEach(() => {
    cluster = new FakeCluster({
      ...spec,
      replicas: 10,
      traffic: { service: 'web' },
      strategy: { maxSurge: 2, maxUnavailable: 0 },
    });
    cluster.settle();
    cluster.desired = 'b';
  });

  it('need no service of the operator and no route', () => {
    expect(cluster.status?.phase).to.equal('Stable');
    expect(cluster.services).to.deep.equal({ stable: null, canary: null });
  });

  it('grow the canary before stable shrinks, never past the surge', () => {
    cluster.settle();
    expect(counts()).to.deep.equal([8, 2]);
    expect(cluster.status?.canary?.weight).to.equal(20);
    const path: string[] = [];
    for (let second = 0; second < 60 && cluster.record('b').role !== 'stable'; second++) {
      cluster.nowMs += 1000;
      breaching(cluster, 30, 0);
      for (let pass = 0; pass < 10; pass++) {
        cluster.pass();
        if (path.at(-1) !== counts().join('+')) path.push(counts().join('+'));
      }
    }
    expect(path).to.deep.equal([
      '8+2',
      '8+4',
      '6+4',
      '6+5',
      '5+5',
      '5+7',
      '3+7',
      '3+9',
      '1+9',
      '1+10',
      '0+10',
    ]);
    expect(cluster.settle().phase).to.equal('Stable');
    expect(cluster.weightWrites).to.deep.equal([]);
  });

  it('wait for the canary’s pods before stable loses any', () => {
    cluster.broken.set('b', 'ContainerCreating');
    cluster.settle();
    expect(counts()).to.deep.equal([10, 2]);
    cluster.broken.clear();
    cluster.settle();
    expect(counts()).to.deep.equal([8, 2]);
  });

  it('blame no canary for pods that evidence keeps from being asked for', () => {
    cluster.settle();
    while (counts().join('+') !== '6+4') {
      cluster.nowMs += 1000;
      breaching(cluster, 30, 0);
      cluster.pass();
    }
    for (const endMs = cluster.nowMs + 660_000; cluster.nowMs < endMs; cluster.nowMs += 10_000) {
      breaching(cluster, 60, 0.07);
      expect(cluster.settle().phase).to.equal('Progressing');
    }
    expect(counts()).to.deep.equal([6, 4]);
    cluster.ready.set('b', 3);
    expect(cluster.settle().phase, 'one pod is not ready for a moment').to.equal('Progressing');
    cluster.ready.set('b', 4);
    cluster.settle();
    breaching(cluster, 60, 0);
    expect(cluster.settle().phase).to.equal('Progressing');
    expect(counts()).to.deep.equal([6, 5]);
    cluster.nowMs += 601_000;
    expect(cluster.settle().incident).to.include({ alert: 'PROGRESS_DEADLINE' });
  });

  it('go back at once, the verdict in the write that takes the pods away', () => {
    cluster.settle();
    cluster.nowMs += 8_000;
    breaching(cluster, 7);
    const before = cluster.carriedOut.length;
    cluster.pass();
    const [first, second] = cluster.carriedOut.slice(before);
    expect(first).to.deep.include({ kind: 'writeRevision', replicas: 0 });
    expect(first).to.have.nested.include({ 'record.rejected': true });
    expect(second).to.deep.include({ kind: 'writeRevision', replicas: 10 });
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(cluster.status?.incidents?.[0]?.trafficRestoredAt).to.be.a('string');
    expect(counts()).to.deep.equal([10, 0]);
  });

  it('bring stable back first where the canary has every pod', () => {
    cluster.settle();
    cluster.action = { kind: 'action', action: { verb: 'promote', id: 'now', revision: null } };
    cluster.nowMs += 8_000;
    breaching(cluster, 8, 0);
    cluster.settle();
    expect(counts()).to.deep.equal([0, 10]);
    cluster.broken.set(stable, 'ContainerCreating');
    cluster.nowMs += 20_000;
    breaching(cluster, 20);
    expect(cluster.settle().phase).to.equal('RollingBack');
    expect(counts()).to.deep.equal([10, 10]);
    expect(cluster.record('b').rejected).to.equal(true);
    cluster.broken.clear();
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(counts()).to.deep.equal([10, 0]);
  });

  it('take an older canary away before a newer one begins, without a verdict', () => {
    cluster.settle();
    cluster.desired = 'c';
    cluster.settle();
    expect(counts()).to.deep.equal([8, 0]);
    expect(cluster.revisions.get('c')?.replicas).to.equal(2);
    expect(cluster.record('b').rejected).to.equal(false);
  });

  it('follow the replicas of the spec', () => {
    cluster.settle();
    cluster.spec = { ...cluster.spec, replicas: 20 };
    cluster.settle();
    expect(counts()).to.deep.equal([16, 4]);
  });

  it('round to at least one pod on each side while both have a share', () => {
    const of = (replicas: number, weight: number, maxSurge = 1): readonly number[] => {
      const { canary, stable: rest } = podsForShare(
        { ...cluster.policy, replicas, maxSurge },
        weight,
      );
      return [rest, canary];
    };
    expect(of(10, 5)).to.deep.equal([9, 1]);
    expect(of(10, 25)).to.deep.equal([7, 3]);
    expect(of(1, 5)).to.deep.equal([1, 1]);
    expect(of(1, 5, 0)).to.deep.equal([0, 1]);
    expect(of(2, 90)).to.deep.equal([1, 2]);
    expect(of(4, 100)).to.deep.equal([0, 4]);
  });
});
