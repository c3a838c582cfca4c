// More on scenario 22 of docs/scenarios.md: what the operator hears of the cluster is interrupted,
// in each way by itself, in the middle of a rollout and before a rollback. It has a cluster of its
// own, whose API server it kills.
import { expect } from 'chai';
import { request } from 'undici';
import { startCluster } from '../cluster.ts';
import type { Cluster } from '../cluster.ts';
import { startOperator } from '../operator.ts';
import type { OperatorHandle } from '../operator.ts';
import { freePorts } from '../ports.ts';
import { waitFor } from '../process.ts';
import { healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { startHoldingProxy } from './holdingProxy.ts';
import type { HoldingProxy } from './holdingProxy.ts';
import { Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const change = {
  replicas: 4,
  canary: {
    steps: [
      { weight: 20, hold: '2s' },
      { weight: 50, hold: '1h' },
    ],
    drainDelay: '0s',
  },
};
/** Objects, ReplicaSets, pods, services, slices, HTTPRoutes and GRPCRoutes. */
const watchCount = 7;

describe('a rollout', function () {
  this.timeout(180_000);
  let cluster: Cluster;
  let standIns: StandIns;
  let proxy: HoldingProxy;
  let metrics: FakePrometheus;
  let operator: OperatorHandle;

  before(async () => {
    cluster = await startCluster({ profile: 'control-plane', log: (line) => console.log(line) });
    standIns = await startStandIns(cluster);
    proxy = await startHoldingProxy(cluster);
    metrics = await startFakePrometheus();
    const stage = await Stage.open(cluster, 'interruptions');
    stage.metricsUrl = metrics.url;
    // How long a leader may go without its Lease is told apart (leadership.test.ts).
    operator = await stage.startOperator(proxy.url, '--no-leader-elect');
  });

  after(async () => {
    await operator.stop();
    await metrics.close();
    await proxy.close();
    await standIns.stop();
    await cluster.stop();
  });

  const expectToSurvive = async (interrupt: () => Promise<void>): Promise<void> => {
    const stage = await Stage.open(cluster, 'interruptions');
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    const stable = (await stage.pods()).map(({ metadata }) => metadata.uid);
    await stage.apply(stage.template('v2'), change);
    const first = await stage.canaryAt(20);
    await interrupt();
    metrics.reports.set(`${stage.namespace}/${first.canary?.replicaSet}`, healthy);
    const { canary } = await stage.canaryAt(50);
    expect(canary?.available).to.equal(2);
    await interrupt();
    await stage.breakCanary();
    await stage.phase('RolledBack');
    expect(stage.weightChanges()).to.deep.equal([0, 20, 50, 0]);
    await waitFor('the pods of stable alone', async () => {
      const left = await stage.pods();
      return left.map(({ metadata }) => metadata.uid).toString() === stable.toString();
    });
    await stage.close();
  };

  it('goes on after every watch was cut', async () => {
    await expectToSurvive(async () => {
      proxy.dropStreams();
    });
  });

  it('goes on after every watch has expired', async () => {
    await expectToSurvive(async () => {
      const expired = proxy.expireWatches();
      proxy.dropStreams();
      await waitFor('a 410 on every watch', () => expired.size >= watchCount);
    });
  });

  it('goes on after the API server was killed and started again', async () => {
    const server = cluster.component('kube-apiserver');
    await expectToSurvive(async () => {
      await server.stop('SIGKILL');
      server.start();
      await waitFor('the API server to be ready', () => cluster.client.text('/readyz'));
    });
  });

  it('does not begin before the operator knows all there is, and names the rest', async () => {
    await operator.stop();
    const stage = await Stage.open(cluster, 'interruptions');
    await stage.applyAll(stage.template('v1'), change);
    proxy.set(null);
    // As a stream; a list in pages would pass.
    proxy.withhold(/^\/api\/v1\/pods\?.*sendInitialEvents=true/);
    const [probePort = 0] = await freePorts(1);
    const starting = startOperator(cluster, {
      configYaml: `servers: [{name: main, url: '${metrics.url}', scrapeInterval: 1s}]`,
      apiUrl: proxy.url,
      args: ['--no-leader-elect'],
      probePort,
    });
    const unready = waitFor('pods to be all that is missing', async () => {
      const answer = await request(`http://127.0.0.1:${probePort}/readyz`);
      const text = await answer.body.text();
      return answer.statusCode === 503 && text === 'not ready: pods\n';
    });
    await Promise.race([unready, starting.then(() => expect.fail('it was ready at once'))]);
    expect(proxy.writes).to.deep.equal([]);
    proxy.withhold(null);
    operator = await starting;
    await stage.phase('Stable');
    await stage.close();
    const paged = operator.logs().filter(({ message }) => /read in pages/.test(String(message)));
    expect(paged, 'lists that the API server does not stream').to.deep.equal([]);
  });
});
