// Scenarios 10, 16, 21, 22, 26 and 27 of docs/scenarios.md, on a real API server: what disturbs a
// rollout or a rollback from outside does not stop what is due.
import { expect } from 'chai';
import type { Status } from '../../../src/api/schema.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';
import { startHoldingProxy } from './holdingProxy.ts';
import type { HoldingProxy } from './holdingProxy.ts';
import { app, Stage } from './stage.ts';
import type { SpecChange } from './stage.ts';

const longStep: SpecChange = {
  canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '1s' },
};

describe('a rollout that is disturbed', function () {
  this.timeout(120_000);
  let stage: Stage;
  let operator: OperatorHandle;
  let pods: PodSetter;
  let routes: RouteAcceptor;
  let proxy: HoldingProxy;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    pods = await startPodSetter(cluster);
    routes = acceptRoutes(cluster);
    proxy = await startHoldingProxy(cluster);
    stage = await Stage.open(cluster, 'disturbed');
    operator = await stage.startOperator(proxy.url);
  });

  afterEach(async () => {
    proxy.answerConflict(null);
    routes.accepts(true);
    await stage.close();
    stage = await Stage.open(stage.cluster, 'disturbed');
  });

  after(async () => {
    await operator.stop();
    await proxy.close();
    await routes.stop();
    await pods.stop();
  });

  const begin = async (change: SpecChange = longStep): Promise<void> => {
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), change);
  };

  const inTraffic = (): Promise<Status> =>
    stage.status('the canary in traffic', ({ canary, step }) => {
      return canary?.weight === 20 && step?.startedAt !== undefined;
    });

  it('scenario 10: rolls a crash loop back at once, and stable serves', async () => {
    await begin();
    await inTraffic();
    await stage.breakCanary();
    const status = await stage.phase('RolledBack');
    expect(status.incidents?.[0]).to.include({ alert: 'SERVICE_DOWN', signal: 'pods' });
    expect(status.incidents?.[0]?.value).to.include('CrashLoopBackOff');
    const available = status.conditions?.find(({ type }) => type === 'Available');
    expect(available).to.include({ status: 'True' });
    expect(await stage.weights()).to.deep.equal([100, 0]);
  });

  it('scenario 16: waits for a router that lags to advance, and not to roll back', async () => {
    await stage.applyAll(stage.template('v1'), longStep);
    await stage.phase('Stable');
    routes.accepts(false);
    await stage.apply(stage.template('v2'), longStep);
    const waiting = await stage.status('the wait for the router', ({ conditions }) => {
      return conditions?.some(({ reason }) => reason === 'WaitingForRouter') ?? false;
    });
    expect(waiting.step?.startedAt).to.equal(undefined);
    expect(await stage.weights()).to.deep.equal([80, 20]);
    await stage.breakCanary();
    const status = await stage.phase('RolledBack');
    expect(status.incidents?.[0]).to.include({ alert: 'SERVICE_DOWN' });
    expect(await stage.weights()).to.deep.equal([100, 0]);
  });

  it('scenario 21: takes the traffic back though every status write conflicts', async () => {
    await begin();
    await inTraffic();
    proxy.answerConflict(/\/x0ttadeployments\/[^/]+\/status/);
    await stage.breakCanary();
    await waitFor('the traffic back', async () => (await stage.weights())[1] === 0);
    await waitFor('the canary at no pods', async () => {
      const sets = await stage.replicaSets();
      return sets.filter(({ spec }) => spec.replicas > 0).length === 1;
    });
    expect((await stage.read()).status?.phase).to.equal('Progressing');
    proxy.answerConflict(null);
    const status = await stage.phase('RolledBack');
    expect(status.incidents?.[0]).to.include({ alert: 'SERVICE_DOWN' });
    expect(status.rejected).to.have.lengthOf(1);
  });

  it('scenario 22: goes on after its watches were cut and the API server went', async () => {
    await begin();
    await inTraffic();
    proxy.dropStreams();
    const server = stage.cluster.component('kube-apiserver');
    await server.stop('SIGKILL');
    server.start();
    await waitFor('the API server', () => stage.cluster.client.text('/readyz'), 60_000);
    await stage.breakCanary();
    const status = await stage.phase('RolledBack');
    expect(status.incidents?.[0]).to.include({ alert: 'SERVICE_DOWN' });
    await stage.apply(stage.template('v3'), longStep);
    await stage.status('the next canary', ({ canary, phase }) => {
      return canary?.weight === 20 && phase === 'Progressing';
    });
  });

  it('scenario 26: follows an HPA, and no disruption budget stands in its way', async () => {
    await begin();
    const { stable, canary } = await inTraffic();
    const selector = { matchLabels: { app } };
    const metadata = { name: app, namespace: stage.namespace };
    const scaleTargetRef = { apiVersion: 'x0tta.io/v1alpha1', kind: 'X0ttaDeployment', name: app };
    await stage.cluster.apply([
      {
        apiVersion: 'policy/v1',
        kind: 'PodDisruptionBudget',
        metadata,
        spec: { minAvailable: '100%', selector },
      },
      {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata,
        spec: { scaleTargetRef, minReplicas: 5, maxReplicas: 9, metrics: [] },
      },
    ]);
    const scaled = await stage.status('the replicas of the HPA', (status) => {
      return status.stable?.available === 5 && status.canary?.available === 1;
    });
    expect(await stage.weights()).to.deep.equal([80, 20]);
    const both = [stable?.revision ?? '', canary?.revision ?? ''].toSorted().join();
    const counted = { replicas: 6, selector: `app=${app},pod-template-hash in (${both})` };
    expect(scaled).to.include(counted);
    expect(await stage.scale()).to.deep.equal({ spec: { replicas: 5 }, status: counted });
    await stage.breakCanary();
    await stage.phase('RolledBack');
    await waitFor('the canary’s pods gone', async () => (await stage.pods()).length === 5);
    const budget = await stage.cluster.client.get<{ status: { expectedPods: number } }>(
      `/apis/policy/v1/namespaces/${stage.namespace}/poddisruptionbudgets/${app}`,
    );
    expect(budget.status.expectedPods).to.be.at.least(5);
  });

  describe('by its deletion', () => {
    const gone = async (): Promise<void> => {
      await stage.cluster.kubectl(['delete', 'x0tta', app, '-n', stage.namespace, '--timeout=60s']);
    };

    it('scenario 27: puts the routes on stable first, then lets everything go', async () => {
      await begin();
      await inTraffic();
      await gone();
      expect(await stage.weights()).to.deep.equal([100, 0]);
      const { annotations = {} } = (await stage.readRoute()).metadata;
      expect(Object.keys(annotations).filter((name) => name.startsWith('x0tta.io/'))).to.deep.equal(
        [],
      );
      await waitFor('the pods gone', async () => (await stage.pods()).length === 0);
    });

    it('scenario 27: leaves stable serving where it is orphaned', async () => {
      await begin({ ...longStep, deletionPolicy: 'Orphan' });
      const { stable, canary } = await inTraffic();
      const before = (await stage.pods(stable?.revision)).map(({ metadata }) => metadata.uid);
      await gone();
      expect(await stage.weights()).to.deep.equal([100, 0]);
      await waitFor('the canary gone', async () => (await stage.replicaSets()).length === 1);
      // Its pods go after it, in the background.
      await waitFor('the canary’s pods gone', async () => {
        return (await stage.pods(canary?.revision)).length === 0;
      });
      const left = await stage.pods();
      expect(left.map(({ metadata }) => metadata.uid)).to.have.members(before);
      const services = await stage.cluster.kubectl([
        'get',
        'services',
        '-n',
        stage.namespace,
        '-o',
        'jsonpath={.items[*].spec.selector.pod-template-hash}',
      ]);
      expect(services).to.equal(`${stable?.revision} ${stable?.revision}`);
      const path = `/apis/apps/v1/namespaces/${stage.namespace}/replicasets/${stable?.replicaSet}`;
      await stage.cluster.client.delete(path);
    });

    it('scenario 27: goes though its route is gone, and with its namespace', async () => {
      await begin();
      await inTraffic();
      await stage.cluster.client.delete(stage.routePath);
      await gone();
      const next = await Stage.open(stage.cluster, 'disturbed');
      await next.applyAll(next.template('v1'), longStep);
      await next.phase('Stable');
      await stage.cluster.kubectl(['delete', 'namespace', next.namespace, '--timeout=90s']);
    });
  });
});
