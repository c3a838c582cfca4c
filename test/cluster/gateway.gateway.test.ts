// The harness itself, on the gateway profile: the gateway splits traffic by weight and takes it
// away without losing a request, and Prometheus has counted what was sent.
import { expect } from 'chai';
import { request } from 'undici';
import type { Cluster } from './cluster.ts';
import { gatewayRef } from './gateway.ts';
import { startLoad } from './load/generator.ts';
import type { LoadReport } from './load/report.ts';
import { waitFor } from './process.ts';
import { freshNamespace } from './namespace.ts';
import { sharedCluster } from './shared.ts';
import { importSample } from './workload/install.ts';
import { sampleHttpRoute, sampleService, sampleTemplate } from './workload/manifests.ts';

interface Route {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly parents: readonly {
      readonly conditions: readonly {
        readonly type: string;
        readonly status: string;
        readonly observedGeneration: number;
      }[];
    }[];
  };
}

interface QueryAnswer {
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [number, string];
    }[];
  };
}

const app = 'shop';
const hostname = 'shop.test';
const stableReplicas = 2;

describe('the gateway profile', () => {
  let cluster: Cluster;
  let namespace: string;
  let routePath: string;
  /** Requests that each version answered, over all loads so far. */
  const answered = { v1: 0, v2: 0 };

  before(async () => {
    cluster = await sharedCluster('gateway');
    namespace = await freshNamespace(cluster, 'gateway');
    routePath = `/apis/gateway.networking.k8s.io/v1/namespaces/${namespace}/httproutes/${app}`;
    const image = await importSample(cluster);
    const parent = { gateway: gatewayRef, hostname };
    await cluster.apply([
      ...sampleSet(namespace, `${app}-stable`, 'v1', stableReplicas, image),
      ...sampleSet(namespace, `${app}-canary`, 'v2', 1, image),
      sampleHttpRoute(namespace, app, parent),
    ]);
    await waitFor('pods behind both services', async () => {
      const path = `/apis/apps/v1/namespaces/${namespace}/replicasets`;
      const sets = await cluster.client.list<{
        readonly spec: { readonly replicas: number };
        readonly status: { readonly readyReplicas?: number };
      }>(path);
      return (
        sets.length === 2 && sets.every((set) => set.status.readyReplicas === set.spec.replicas)
      );
    });
  });

  const weigh = async (stable: number, canary: number): Promise<void> => {
    const weight = (index: number, value: number): object => ({
      op: 'replace',
      path: `/spec/rules/0/backendRefs/${index}/weight`,
      value,
    });
    await cluster.client.patch(routePath, [weight(0, stable), weight(1, canary)]);
  };
  const load = async (seconds: number, requestsPerSecond: number): Promise<LoadReport> => {
    const report = await sendLoad(cluster, requestsPerSecond, seconds).done;
    count(report);
    return report;
  };
  const count = (report: LoadReport): void => {
    for (const version of ['v1', 'v2'] as const)
      answered[version] += report.versions[version]?.requests ?? 0;
  };

  it('accepts a route and says so for its newest generation', async () => {
    await weigh(80, 20);
    const route = await waitFor('the status of the newest generation', async () => {
      const { metadata, status } = await cluster.client.get<Route>(routePath);
      const conditions = status?.parents[0]?.conditions ?? [];
      const isCurrent = conditions.every((it) => it.observedGeneration === metadata.generation);
      return conditions.length > 0 && isCurrent && conditions;
    });
    const holding = route.filter(({ status }) => status === 'True').map(({ type }) => type);
    expect(holding).to.include.members(['Accepted', 'ResolvedRefs']);
  });

  it('splits requests by weight', async () => {
    const seen = new Set<string>();
    await waitFor('answers of both versions', async () => {
      seen.add(await versionThatAnswers(cluster));
      return seen.has('v1') && seen.has('v2');
    });
    const report = await load(4, 200);
    expectNoFailure(report);
    const requests = (version: string): number => report.versions[version]?.requests ?? 0;
    const share = requests('v2') / (requests('v1') + requests('v2'));
    expect(share).to.be.within(0.17, 0.23);
  });

  it('takes all traffic from a version without losing a request', async () => {
    const sending = sendLoad(cluster, 200, 60);
    const of = (version: string): number => sending.snapshot().versions[version]?.requests ?? 0;
    await waitFor('requests at both versions', () => of('v1') > 50 && of('v2') > 10);
    await weigh(100, 0);
    // Of 200 requests in a row the weight before would give 40 to the canary.
    let mark = { v1: of('v1'), v2: of('v2') };
    const settled = await waitFor('200 requests without the canary', () => {
      if (of('v2') !== mark.v2) mark = { v1: of('v1'), v2: of('v2') };
      return of('v1') - mark.v1 >= 200 && mark.v2;
    });
    await waitFor('1,000 requests more', () => of('v1') - mark.v1 >= 1200);
    const report = await sending.stop();
    count(report);
    expectNoFailure(report);
    expect(report.versions['v2']?.requests).to.equal(settled);
  });

  it('has every request in Prometheus, labelled with namespace and pod', async () => {
    const series = await waitFor('all requests in Prometheus', async () => {
      const found = await query(cluster, `http_requests_total{namespace="${namespace}"}`);
      const sum = (prefix: string): number =>
        found
          .filter(({ metric }) => metric['pod']?.startsWith(prefix))
          .reduce((total, { value }) => total + Number(value[1]), 0);
      const isComplete =
        sum(`${app}-stable-`) === answered.v1 && sum(`${app}-canary-`) === answered.v2;
      return isComplete && found;
    });
    const labels = ['__name__', 'code', 'instance', 'job', 'method', 'namespace', 'pod'];
    for (const { metric } of series) expect(metric).to.have.all.keys(labels);
  });

  it('has what the kernel says about the containers of the pods', async () => {
    const metric = 'container_memory_working_set_bytes';
    await waitFor('the memory of every container', async () => {
      const selector = `{namespace="${namespace}", container="sample"}`;
      const found = await query(cluster, metric + selector);
      const used = found.filter(({ value }) => Number(value[1]) > 5e6);
      return used.length === stableReplicas + 1;
    });
  });
});

function sampleSet(
  namespace: string,
  name: string,
  version: string,
  replicas: number,
  image: string,
): readonly object[] {
  return [
    sampleService(namespace, name),
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: sampleTemplate({ name, version, image }),
      },
    },
  ];
}

function sendLoad(
  { gatewayUrl = '' }: Cluster,
  requestsPerSecond: number,
  durationSeconds: number,
): ReturnType<typeof startLoad> {
  return startLoad({ url: gatewayUrl, hostHeader: hostname, requestsPerSecond, durationSeconds });
}

/** Asks on a path that the sample does not count. */
async function versionThatAnswers({ gatewayUrl }: Cluster): Promise<string> {
  const { headers, body } = await request(`${gatewayUrl}/health`, { headers: { host: hostname } });
  await body.dump();
  return String(headers['x-version']);
}

function expectNoFailure(report: LoadReport): void {
  const outcomes = Object.entries(report.versions).map(([version, { byStatus, failures }]) => ({
    version,
    statuses: Object.keys(byStatus),
    failures,
  }));
  for (const outcome of outcomes) {
    expect(outcome.version).to.be.oneOf(['v1', 'v2']);
    expect(outcome.statuses).to.deep.equal(['200']);
    expect(outcome.failures).to.deep.equal({});
  }
}

async function query(cluster: Cluster, promql: string): Promise<QueryAnswer['data']['result']> {
  const url = `${cluster.prometheusUrl}/api/v1/query?query=${encodeURIComponent(promql)}`;
  const answer = await request(url);
  return ((await answer.body.json()) as QueryAnswer).data.result;
}
