// What the caches keep: all that the views of core are made of, and not the rest.
import { expect } from 'chai';
import type { Pod, ReplicaSet } from '../../src/kube/port.ts';
import type { KubeObject } from '../../src/kube/port.ts';
import * as trim from '../../src/kube/trim.ts';
import { revisionView } from '../../src/reconcile/views.ts';
import { servicePair, viewOf } from '../../src/traffic/httpRoute.ts';
import type { ManagedFields } from '../../src/traffic/httpRoute.ts';
import { routeOf, splitRule } from '../traffic/routes.ts';

const metadata = {
  name: 'shop-b',
  namespace: 'mesh',
  uid: 'uid-b',
  resourceVersion: '7',
  generation: 2,
  creationTimestamp: '2026-01-31T12:00:00Z',
  labels: { 'pod-template-hash': 'b' },
  annotations: { 'x0tta.io/role': 'canary', 'x0tta.io/template-hash': 'hash' },
  ownerReferences: [
    {
      apiVersion: 'x0tta.io/v1alpha1',
      kind: 'X0ttaDeployment',
      name: 'shop',
      uid: 'u',
      controller: true,
    },
  ],
};

const replicaSet: ReplicaSet & KubeObject = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata,
  spec: {
    replicas: 2,
    template: {
      metadata: { labels: { app: 'shop' } },
      spec: { containers: [{ name: 'main', image: 'shop:2', env: ['much'] }], volumes: ['more'] },
    },
  },
  status: {
    replicas: 2,
    availableReplicas: 1,
    conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'quota' }],
  },
};

const pod: Pod & KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { ...metadata, name: 'shop-b-bbbbb', deletionTimestamp: '2026-01-31T13:00:00Z' },
  status: {
    conditions: [
      { type: 'Initialized', status: 'True' },
      { type: 'Ready', status: 'False', lastTransitionTime: '2026-01-31T12:01:00Z' },
      { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'full' },
    ],
    containerStatuses: [
      {
        name: 'main',
        restartCount: 2,
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
        lastState: { terminated: { reason: 'OOMKilled', finishedAt: '2026-01-31T12:02:00Z' } },
      },
    ],
  },
};

describe('what a cache keeps', () => {
  it('of a ReplicaSet and its pods gives the same view', () => {
    const since = (): number => 5;
    const kept = revisionView(trim.trimReplicaSet(replicaSet), [trim.trimPod(pod)], since);
    expect(kept).to.deep.equal(revisionView(replicaSet, [pod], since));
    expect(kept.failure).to.equal('quota');
  });

  it('of a pod that ended gives the same view: its containers wait for nothing', () => {
    const ended: Pod = { ...pod, status: { ...pod.status, phase: 'Failed' } };
    const kept = revisionView(replicaSet, [trim.trimPod(ended)], () => null);
    expect(kept).to.deep.equal(revisionView(replicaSet, [ended], () => null));
    expect(kept.pods[0]?.containers[0]).to.include({ waitingReason: null, restartCount: 2 });
  });

  it('of a ReplicaSet and a pod is not their spec', () => {
    const text = JSON.stringify([trim.trimReplicaSet(replicaSet), trim.trimPod(pod)]);
    expect(text).to.not.match(/much|more|Initialized/);
  });

  it('of a route gives the same view, without its filters', () => {
    const route = routeOf([{ ...splitRule(80, 20), filters: ['much'] } as object, {}], {
      'x0tta.io/verdict': 'none',
    });
    const owner = { manager: 'argocd', time: 'now', fieldsV1: { 'f:spec': { 'f:rules': {} } } };
    const managedFields = [owner, { manager: 'much' }, { manager: 'x0tta' }];
    Object.assign(route.metadata, { managedFields });
    const services = servicePair('web');
    const kept = trim.trimRoute(route);
    expect(viewOf(kept, services)).to.deep.equal(viewOf(route, services));
    expect(JSON.stringify(kept)).to.not.include('much');
  });

  it('of a route knows the places of the entries of its own, of others no more than before', () => {
    const rules = { 'f:spec': { 'f:rules': {} } };
    const annotations = { 'f:metadata': { 'f:annotations': {} } };
    const managed = (...managedFields: readonly ManagedFields[]): KubeObject['metadata'] => {
      const route = routeOf([splitRule(80, 20)]);
      return trim.trimRoute({ ...route, metadata: { ...route.metadata, managedFields } }).metadata;
    };
    const own = { manager: 'x0tta', time: 'now' };
    const kept = managed(
      { manager: 'labeller', fieldsV1: { 'f:spec': {} } },
      { ...own, fieldsV1: annotations as ManagedFields['fieldsV1'] & object },
      { manager: 'argocd', fieldsV1: rules },
      { ...own, subresource: 'status', fieldsV1: rules },
    );
    expect(kept).to.have.deep.property('managedFields', [
      { place: 1, ...own },
      { manager: 'argocd', fieldsV1: rules },
    ]);
  });

  it('of an X0ttaDeployment is not what kubectl applied last', () => {
    const annotations = {
      'x0tta.io/action': 'pause/a',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
    };
    const object = { ...replicaSet, metadata: { ...metadata, annotations } };
    const kept = trim.trimDeployment(object as never);
    expect(kept.metadata.annotations).to.deep.equal({ 'x0tta.io/action': 'pause/a' });
  });

  it('of a slice is whose addresses are ready', () => {
    const endpoints = [
      {
        addresses: ['198.18.0.1'],
        conditions: { ready: true, serving: true },
        nodeName: 'n',
        targetRef: { kind: 'Pod', name: 'a', uid: 'u' },
      },
    ];
    const kept = trim.trimSlice({ ...replicaSet, endpoints });
    expect(kept.endpoints).to.deep.equal([
      {
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: 'a' },
      },
    ]);
  });
});
