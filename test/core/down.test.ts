// A canary without any available pod: since when, whatever becomes of its pods meanwhile.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { Observation, PodView } from '../../src/core/model.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

const downMs = 300_000;
let cluster: FakeCluster;

/** Seconds until the canary is rolled back, with a look every ten. */
function secondsToVerdict(change: (obs: Observation) => Observation = (obs) => obs): number {
  const observe = cluster.observe.bind(cluster);
  cluster.observe = () => change(observe());
  const startMs = cluster.nowMs;
  while (cluster.nowMs < startMs + 1_200_000) {
    const { incident, phase } = cluster.settle();
    if (phase === 'RolledBack') {
      expect(incident).to.include({ alert: 'SERVICE_DOWN' });
      return (cluster.nowMs - startMs) / 1000;
    }
    cluster.nowMs += 10_000;
  }
  throw new Error('there was no verdict');
}

/** The canary's pods as they would be if one were replaced at this time. */
function replacedAt(obs: Observation, bornMs: number): Observation {
  const young = (pod: PodView): PodView => ({
    ...pod,
    name: `${pod.name}-${bornMs}`,
    createdAtMs: bornMs,
    notReadySinceMs: bornMs,
  });
  const revisions = obs.revisions.map((view) =>
    view.revision === 'b' ? { ...view, pods: view.pods.map(young) } : view,
  );
  return { ...obs, revisions };
}

describe('a canary that is down', () => {
  beforeEach(() => {
    const [errorRate, latency] = spec.signals;
    cluster = new FakeCluster({ ...spec, signals: [errorRate, latency] });
    canaryInTraffic(cluster, 3);
  });

  it('is so from when its pods went, also when they are replaced again and again', () => {
    const startMs = cluster.nowMs;
    cluster.broken.set('b', 'ContainerCreating');
    const age = (): number => (cluster.nowMs - startMs) % 200_000;
    const seconds = secondsToVerdict((obs) => replacedAt(obs, cluster.nowMs - age()));
    expect(seconds).to.be.within(downMs / 1000 - 10, downMs / 1000 + 10);
  });

  it('is so without any pod', () => {
    cluster.broken.set('b', 'ContainerCreating');
    const bare = (obs: Observation): Observation => ({
      ...obs,
      revisions: obs.revisions.map((view) =>
        view.revision === 'b' ? { ...view, pods: [] } : view,
      ),
    });
    expect(secondsToVerdict(bare)).to.be.within(downMs / 1000 - 10, downMs / 1000 + 10);
  });

  it('is so when the next step was just decided', () => {
    cluster.nowMs += 7_000;
    breaching(cluster, 60, 0);
    while (cluster.record('b').step < 2) cluster.pass();
    cluster.broken.set('b', 'ContainerCreating');
    expect(secondsToVerdict()).to.be.within(downMs / 1000 - 20, downMs / 1000 + 20);
  });

  it('is not so any more once a pod was there', () => {
    cluster.broken.set('b', 'ContainerCreating');
    cluster.settle();
    expect(cluster.record('b').downSinceMs).not.to.equal(null);
    cluster.nowMs += downMs - 10_000;
    cluster.settle();
    cluster.broken.clear();
    breaching(cluster, 60, 0);
    cluster.settle();
    expect(cluster.record('b').downSinceMs).to.equal(null);
    expect(cluster.route.canaryWeight).to.be.above(0);
  });

  it('was up in between where a pod that is older than the note says so', () => {
    cluster.broken.set('b', 'ContainerCreating');
    cluster.settle();
    cluster.nowMs += downMs + 60_000;
    const obs = cluster.observe();
    const revisions = obs.revisions.map((view) => ({
      ...view,
      pods: view.pods.map((pod) => ({ ...pod, notReadySinceMs: cluster.nowMs - 1_000 })),
    }));
    expect(decide({ ...obs, revisions }).phase).to.equal('Progressing');
  });
});
