// Scenario 29 of docs/scenarios.md: a thousand canaries at once are asked about by as many queries
// as ten of them. Their shares are pod counts, which needs the fewest objects.
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { Status } from '../../../src/api/schema.ts';
import { startCluster } from '../cluster.ts';
import type { Cluster } from '../cluster.ts';
import { nodeName } from '../controlPlane.ts';
import { startOperator } from '../operator.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { freshNamespace } from '../namespace.ts';
import { waitFor } from '../process.ts';
import { healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';

interface Listed {
  readonly metadata: { readonly name: string };
  readonly status?: Status;
}

const few = 10;
const many = 1_000;
const pollSeconds = 5;
const watchedIntervals = 3;
/** Requests of the test that are under way at a time. */
const concurrency = 16;

describe('a thousand objects', function () {
  this.timeout(600_000);
  let cluster: Cluster;
  let namespace: string;
  let operator: OperatorHandle;
  let pods: PodSetter;
  let metrics: FakePrometheus;

  before(async () => {
    // Of its own, which ends with its objects: to delete them would take as long as to make them.
    cluster = await startCluster({ profile: 'control-plane', log: (line) => console.log(line) });
    namespace = await freshNamespace(cluster, 'thousand');
    pods = await startPodSetter(cluster);
    metrics = await startFakePrometheus();
    const interval = `${pollSeconds}s`;
    const server = { name: 'main', url: metrics.url, scrapeInterval: interval, lag: '1s' };
    const configYaml = JSON.stringify({ servers: [server], pollInterval: interval });
    operator = await startOperator(cluster, { configYaml });
  });

  after(async () => {
    await operator.stop();
    await metrics.close();
    await pods.stop();
    await cluster.stop();
  });

  const folder = (): string => `/apis/x0tta.io/v1alpha1/namespaces/${namespace}/x0ttadeployments`;

  const template = (name: string, version: string): object => {
    const env = [{ name: 'VERSION', value: version }];
    const containers = [{ name: 'main', image: 'sample:none', env }];
    // Pods that are born on the node spare the server a request for each.
    return { metadata: { labels: { app: name } }, spec: { nodeName, containers } };
  };

  const forEach = async (
    from: number,
    to: number,
    work: (name: string) => Promise<unknown>,
  ): Promise<void> => {
    const names = Array.from({ length: to - from }, (_, i) => `object-${from + i}`).values();
    const worker = async (): Promise<void> => {
      for (const name of names) await work(name);
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  };

  const all = async (
    what: string,
    count: number,
    holds: (status: Status) => boolean,
  ): Promise<readonly Listed[]> =>
    waitFor(
      `${count} objects ${what}`,
      async () => {
        const listed = await cluster.client.list<Listed>(folder());
        const done = listed.filter(({ status }) => status !== undefined && holds(status));
        if (done.length === count) return done;
        // A list of a thousand objects is work for the server that is waited for.
        await delay(2_000);
        return false;
      },
      300_000,
    );

  /** Makes objects from one number to another, and waits until all up to there are served. */
  const makeStable = async (from: number, to: number): Promise<void> => {
    await forEach(from, to, (name) =>
      cluster.client.create(folder(), {
        apiVersion: 'x0tta.io/v1alpha1',
        kind: 'X0ttaDeployment',
        metadata: { name, namespace },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: name } },
          template: template(name, 'v1'),
          traffic: { service: name },
          canary: { steps: [{ weight: 20, hold: '1h' }] },
          // There is evidence a window after the attempt began; by default that is a minute.
          signals: [{ name: 'errorRate', window: '15s' }],
        },
      }),
    );
    await all('with a stable revision', to, ({ stable }) => stable?.available === 1);
  };

  /** Gives objects a canary, and waits until all up to there have metrics. */
  const makeCanaries = async (from: number, to: number): Promise<void> => {
    await forEach(from, to, (name) =>
      cluster.client.patch(`${folder()}/${name}`, { spec: { template: template(name, 'v2') } }),
    );
    const canaries = await all('with a canary in a hold', to, ({ canary, step }) => {
      return canary?.available === 1 && step?.startedAt !== undefined;
    });
    for (const { status } of canaries) {
      metrics.reports.set(`${namespace}/${status?.canary?.replicaSet}`, healthy);
    }
  };

  /** Counts the queries of a while in which these many objects are judged. */
  const queriesFor = async (count: number): Promise<number> => {
    await all('with evidence', count, ({ signals }) => {
      return signals?.find(({ name }) => name === 'errorRate')?.level === 'Normal';
    });
    const before = metrics.answered.length;
    await delay(watchedIntervals * pollSeconds * 1000);
    return metrics.answered.length - before;
  };

  it('scenario 29: are asked about by as many queries as ten', async () => {
    await makeStable(0, few);
    await makeCanaries(0, few);
    // Nobody asks about an object without a canary, and evidence of the few takes a window.
    await makeStable(few, many);
    const forFew = await queriesFor(few);
    await makeCanaries(few, many);
    const forMany = await queriesFor(many);
    expect(forFew).to.be.above(10);
    // A while of as many intervals has parts of one look more, depending on where it begins.
    expect(forMany).to.be.at.most((forFew / watchedIntervals) * (watchedIntervals + 1));
  });
});
