// The harness itself, on a node: pods run under the restricted standard, answer by their own and by
// the service's address, are killed by the kernel when they outgrow their limit, and leave nothing.
import { readFileSync, readdirSync } from 'node:fs';
import { get } from 'node:http';
import { expect } from 'chai';
import type { Cluster } from './cluster.ts';
import { waitFor } from './process.ts';
import { freshNamespace } from './namespace.ts';
import { sharedCluster } from './shared.ts';
import { importSample } from './workload/install.ts';
import { sampleService, sampleTemplate } from './workload/manifests.ts';

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly lastState: { readonly terminated?: { readonly reason: string } };
    }[];
  };
}

const port = 8080;

describe('the node', () => {
  let cluster: Cluster;
  let image: string;

  before(async () => {
    cluster = await sharedCluster('node');
    image = await importSample(cluster);
  });

  const podsOf = (namespace: string): Promise<readonly Pod[]> =>
    cluster.client.list<Pod>(`/api/v1/namespaces/${namespace}/pods`);

  const runSample = async (replicas: number, env: Record<string, string>): Promise<string> => {
    const namespace = await freshNamespace(cluster, 'node');
    const enforce = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.client.patch(`/api/v1/namespaces/${namespace}`, {
      metadata: { labels: enforce },
    });
    await cluster.apply([
      sampleService(namespace, 'app'),
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: 'app', namespace },
        spec: {
          replicas,
          selector: { matchLabels: { app: 'app' } },
          template: sampleTemplate({ name: 'app', version: 'v1', image, env }),
        },
      },
    ]);
    return namespace;
  };

  it('runs pods that answer by their own and by the address of their service', async () => {
    const namespace = await runSample(2, {});
    const pods = await waitFor('two ready pods', async () => {
      const found = await podsOf(namespace);
      return found.length === 2 && found.every(isReady) && found;
    });
    const names = pods.map(({ metadata }) => metadata.name).toSorted();
    const own = await Promise.all(pods.map(({ status }) => whoAnswers(status.podIP ?? '')));
    expect(own.toSorted()).to.deep.equal(names);
    const path = `/api/v1/namespaces/${namespace}/services/app`;
    const { spec } = await cluster.client.get<{ readonly spec: { readonly clusterIP: string } }>(
      path,
    );
    const seen = new Set<string>();
    await waitFor('both pods behind the service', async () => {
      seen.add(await whoAnswers(spec.clusterIP));
      return seen.size === 2;
    });
    expect([...seen].toSorted()).to.deep.equal(names);
    expect(await cluster.kubectl(['logs', '-n', namespace, names[0] ?? ''])).to.include(
      'listening',
    );
  });

  it('has the kernel kill a container that outgrows its limit', async () => {
    const namespace = await runSample(1, { MEMORY_MB_PER_SECOND: '1000' });
    const status = await waitFor('a restart', async () => {
      const [pod] = await podsOf(namespace);
      const container = pod?.status.containerStatuses?.[0];
      return container !== undefined && container.restartCount > 0 && container;
    });
    expect(status.lastState.terminated?.reason).to.equal('OOMKilled');
    await cluster.kubectl(['delete', 'replicaset', 'app', '-n', namespace]);
  });

  it('ends the processes of a pod that is deleted', async () => {
    const namespace = await runSample(1, {});
    const pod = await waitFor('a ready pod', async () => (await podsOf(namespace)).find(isReady));
    expect(processesOf(pod)).to.have.lengthOf(2, 'the sample and the container of the sandbox');
    await cluster.kubectl(['delete', 'namespace', namespace]);
    await waitFor('no process of the pod', () => processesOf(pod).length === 0);
  });
});

function isReady({ status }: Pod): boolean {
  return (status.conditions ?? []).some((it) => it.type === 'Ready' && it.status === 'True');
}

/** Name of the pod that answers at an address, asked over a connection of its own. */
function whoAnswers(address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: address, port, agent: false, timeout: 5_000 }, (answer) => {
      answer.resume();
      resolve(String(answer.headers['x-pod']));
    });
    asked.once('timeout', () => asked.destroy(new Error(`${address} does not answer`)));
    asked.once('error', reject);
  });
}

function processesOf(pod: Pod): readonly string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return readFileSync(`/proc/${entry}/cgroup`, 'utf8').includes(`/pod${pod.metadata.uid}/`);
    } catch {
      return false;
    }
  });
}
