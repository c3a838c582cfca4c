// A pod that ended before its containers began (evicted, or its node shut down) still says what
// they waited for, and a ReplicaSet that is scaled to 0 leaves it behind.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import { judgePods } from '../../src/core/podHealth.ts';
import type { RevisionView } from '../../src/core/model.ts';
import type { Pod } from '../../src/kube/port.ts';
import { failsToPull, revisionView } from '../../src/reconcile/views.ts';
import { breaching, canaryInTraffic, orderRetry, spec } from '../core/canary.ts';
import { FakeCluster } from '../core/fakeCluster.ts';

/** A pod of the canary; of `phase` when that is given, as the kubelet leaves one that it ends. */
function pod(reason: string, phase?: string): Pod {
  return {
    metadata: { name: 'shop-b-x', namespace: 'mesh', uid: 'x', resourceVersion: '1' },
    status: {
      ...(phase === undefined ? {} : { phase }),
      conditions: [{ type: 'Ready', status: 'False' }],
      initContainerStatuses: [{ name: 'init', state: { terminated: { reason: 'Error' } } }],
      containerStatuses: [{ name: 'main', restartCount: 0, state: { waiting: { reason } } }],
    },
  };
}

function podsOf(...pods: readonly Pod[]): RevisionView['pods'] {
  const metadata = { name: 'shop-b', namespace: 'mesh', uid: 'b', resourceVersion: '1' };
  return revisionView({ metadata, spec: { replicas: 0 } }, pods, () => null).pods;
}

describe('a pod that ended while its containers waited', () => {
  it('holds up no retry, unlike one that is still to begin', () => {
    const cluster = new FakeCluster(spec);
    canaryInTraffic(cluster);
    breaching(cluster, 7);
    cluster.settle();
    cluster.nowMs += 6_000;
    cluster.settle();
    orderRetry(cluster);
    cluster.pass();
    const obs = cluster.observe();
    const checkWith = (one: Pod): string => {
      const revisions = obs.revisions.map((view) =>
        view.revision === 'b' ? { ...view, pods: podsOf(one) } : view,
      );
      return decide({ ...obs, revisions }).check;
    };
    const waiting = pod('PodInitializing', 'Pending');
    expect(checkWith(waiting)).to.not.equal('retryWasAccepted');
    expect(checkWith(pod('PodInitializing', 'Failed'))).to.equal('retryWasAccepted');
    expect(checkWith(pod('PodInitializing', 'Succeeded'))).to.equal('retryWasAccepted');
  });

  it('waits for no image, and loops no more', () => {
    expect(failsToPull(pod('ImagePullBackOff', 'Pending'))).to.equal(true);
    expect(failsToPull(pod('ImagePullBackOff', 'Failed'))).to.equal(false);
    const cluster = new FakeCluster(spec);
    canaryInTraffic(cluster);
    const [canary] = cluster.observe().revisions.filter(({ revision }) => revision === 'b');
    if (canary === undefined) throw new Error('there is no canary');
    const verdictOn = (one: Pod): string =>
      judgePods({ ...canary, pods: podsOf(one) }, 1, 600, cluster.nowMs).state;
    expect(verdictOn(pod('CrashLoopBackOff', 'Pending'))).to.equal('failed');
    expect(verdictOn(pod('CrashLoopBackOff', 'Failed'))).to.equal('fine');
  });
});
