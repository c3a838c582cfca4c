// The harness itself, on the control-plane profile: the cluster answers, and its audit log shows
// what was written.
import { expect } from 'chai';
import { newEntries } from './auditLog.ts';
import type { Cluster } from './cluster.ts';
import { startPodSetter } from './pods.ts';
import { waitFor } from './process.ts';
import { freshNamespace } from './namespace.ts';
import { sharedCluster } from './shared.ts';

interface EndpointSlice {
  readonly endpoints?: readonly { readonly conditions: { readonly ready?: boolean } }[];
}

describe('the cluster harness', function () {
  this.timeout(60_000);
  let cluster: Cluster;
  let namespace: string;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    namespace = await freshNamespace(cluster, 'harness');
  });

  it('answers kubectl with the pinned version on both sides', async () => {
    const answer: unknown = JSON.parse(await cluster.kubectl(['version', '-o', 'json']));
    expect(answer).to.have.nested.property('serverVersion.gitVersion', 'v1.37.2');
    expect(answer).to.have.nested.property('clientVersion.gitVersion', 'v1.37.2');
  });

  it('shows a write with its content in the audit log, and no read', async () => {
    const metadata = { name: 'written', namespace };
    await cluster.apply([
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { key: 'value' } },
    ]);
    await cluster.kubectl(['get', 'configmap', 'written', '-n', namespace]);
    const events = await waitFor('the write in the audit log', () => {
      const found = newEntries(cluster)().filter(({ objectRef }) => objectRef.name === 'written');
      return found.length > 0 && found;
    });
    expect(events.map(({ verb }) => verb)).to.deep.equal(['patch']);
    expect(events[0]?.requestObject).to.deep.include({ data: { key: 'value' } });
  });

  it('makes pods ready, has them in slices, and removes them with their owner', async () => {
    const setter = await startPodSetter(cluster);
    try {
      await cluster.apply(labelled(namespace));
      const slices = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
      await waitFor('two ready endpoints', async () => {
        const [slice] = await cluster.client.list<EndpointSlice>(slices);
        return slice?.endpoints?.filter(({ conditions }) => conditions.ready).length === 2;
      });
      await cluster.kubectl(['delete', 'replicaset', 'app', '-n', namespace]);
      const pods = `/api/v1/namespaces/${namespace}/pods`;
      await waitFor('no pods', async () => (await cluster.client.list(pods)).length === 0);
    } finally {
      await setter.stop();
    }
  });

  it('says what kubectl wrote to standard error', async () => {
    const failure = await cluster.kubectl(['get', 'configmap', 'none', '-n', namespace]).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure)
      .to.be.an('error')
      .with.property('message')
      .that.includes('configmaps "none" not found');
  });
});

function labelled(namespace: string): readonly object[] {
  const labels = { app: 'app' };
  const containers = [{ name: 'app', image: 'none' }];
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'app', namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'app', namespace },
      spec: { selector: labels, ports: [{ port: 80 }] },
    },
  ];
}
