// Scenarios 1, 2, 13, 17 and 18 of docs/scenarios.md, on a real API server; pods are made ready by
// a helper, and no metric server answers.
import { expect } from 'chai';
import { VERDICT_ANNOTATION } from '../../../src/api/names.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';
import { app, Stage } from './stage.ts';

describe('a rollout on a real API server', () => {
  let stage: Stage;
  let operator: OperatorHandle;
  let pods: PodSetter;
  let routes: RouteAcceptor;

  before(async () => {
    stage = await Stage.open(await sharedCluster('control-plane'), 'rollout');
    pods = await startPodSetter(stage.cluster);
    routes = acceptRoutes(stage.cluster);
    operator = await stage.startOperator();
  });

  afterEach(async () => {
    await stage.close();
    stage = await Stage.open(stage.cluster, 'rollout');
  });

  after(async () => {
    await operator.stop();
    await routes.stop();
    await pods.stop();
  });

  it('scenario 1: rolls the first revision out without a canary or evidence', async () => {
    await stage.applyAll(stage.template('v1'));
    const status = await stage.phase('Stable');
    expect(status.ready).to.equal('2/2');
    expect(status.canary).to.equal(undefined);
    expect(status.signals).to.equal(undefined);
    expect(await stage.weights()).to.deep.equal([100, 0]);
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).to.include({ status: 'True', reason: 'Stable' });
    const services = await stage.cluster.kubectl([
      'get',
      'services',
      '-n',
      stage.namespace,
      '-o',
      'jsonpath={.items[*].metadata.name}',
    ]);
    expect(services.split(' ')).to.have.members([app, `${app}-canary`, `${app}-stable`]);
  });

  it('scenario 2: gives a new template its first weight once its pods are ready', async () => {
    await stage.applyAll(stage.template('v1'));
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'));
    const status = await stage.status('weight at the first step', ({ canary, step }) => {
      return canary?.weight === 20 && step?.startedAt !== undefined;
    });
    expect(status.phase).to.equal('Progressing');
    expect(status.step).to.include({ current: 1, total: 2 });
    expect(status.canary?.available).to.equal(1);
    expect(await stage.weights()).to.deep.equal([80, 20]);
    const order = stage
      .writes()
      .filter(({ user }) => user.username.endsWith(':x0tta'))
      .map(({ verb, objectRef }) => `${verb} ${objectRef.resource} ${objectRef.name ?? ''}`.trim());
    const weight = order.lastIndexOf(`patch httproutes ${app}`);
    expect(order.lastIndexOf(`patch services ${app}-canary`)).to.be.within(0, weight);
    const canary = (await stage.pods(status.canary?.revision)).at(0);
    const ready = canary?.status.conditions?.find(({ type }) => type === 'Ready');
    expect(ready).to.include({ status: 'True' });
  });

  it('scenario 13: makes no pod when the template is reverted to stable', async () => {
    await stage.applyAll(stage.template('v1'));
    const first = await stage.phase('Stable');
    const before = (await stage.pods()).map(({ metadata }) => metadata.uid);
    await stage.apply(stage.template('v2'));
    await stage.status('the canary in traffic', ({ canary }) => canary?.weight === 20);
    await stage.apply(stage.template('v1'));
    const status = await stage.phase('Stable');
    expect(status.stable?.revision).to.equal(first.stable?.revision);
    expect(await stage.weights()).to.deep.equal([100, 0]);
    await waitFor('the canary gone', async () => (await stage.pods()).length === before.length);
    expect((await stage.pods()).map(({ metadata }) => metadata.uid)).to.have.members(before);
    expect(status.rejected).to.equal(undefined);
  });

  it('scenario 17: names a route that is missing and touches no traffic', async () => {
    await stage.cluster.apply([stage.service(), stage.object(stage.template('v1'))]);
    const status = await stage.status('the stall', ({ conditions }) => {
      return (
        conditions?.some(({ type, status: is }) => type === 'Stalled' && is === 'True') ?? false
      );
    });
    const stalled = status.conditions?.find(({ type }) => type === 'Stalled');
    expect(stalled?.reason).to.equal('RouteMissing');
    expect(stalled?.message).to.contain(`HTTPRoute ${app}`);
    await stage.cluster.apply([stage.route()]);
    await stage.phase('Stable');
    const names = [app, 'other'];
    const routes = names.map((name) => ({ kind: 'HTTPRoute', name }));
    const change = { traffic: { service: app, gatewayAPI: { routes } } };
    await stage.apply(stage.template('v2'), change);
    const second = await stage.status('the second route missing', ({ conditions }) => {
      return conditions?.some(({ reason }) => reason === 'RouteMissing') ?? false;
    });
    const missing = second.conditions?.find(({ type }) => type === 'Stalled');
    expect(missing?.message).to.contain('HTTPRoute other');
    expect(await stage.weights()).to.deep.equal([100, 0]);
    expect(stage.writtenWeights().filter((weight) => weight !== 0)).to.deep.equal([]);
    const other = structuredClone(stage.route()) as unknown as { metadata: { name: string } };
    other.metadata.name = 'other';
    await stage.cluster.apply([other]);
    await stage.canaryAt(20);
  });

  it('scenario 18: leaves filters, headers and other rules as they are', async () => {
    const route = structuredClone(stage.route()) as unknown as {
      spec: { rules: Record<string, unknown>[] };
    };
    const [rule] = route.spec.rules;
    const filters = [
      {
        type: 'RequestHeaderModifier',
        requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] },
      },
    ];
    const other = {
      matches: [{ path: { type: 'PathPrefix', value: '/other' } }],
      backendRefs: [{ group: '', kind: 'Service', name: 'other', port: 80, weight: 7 }],
    };
    route.spec.rules = [{ ...rule, filters }, other];
    await stage.cluster.apply([stage.service(), route, stage.object(stage.template('v1'))]);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'));
    await stage.status('the canary in traffic', ({ canary }) => canary?.weight === 20);
    const { spec } = await stage.readRoute();
    expect(spec.rules[0]).to.deep.include({ filters });
    expect(spec.rules[1]).to.deep.equal(other);
  });

  it('gives and takes the canary’s weight on every route, in each of its rules', async () => {
    const http = structuredClone(stage.route()) as unknown as {
      spec: { rules: Record<string, unknown>[] };
    };
    const [{ backendRefs } = {}] = http.spec.rules;
    const matches = [{ path: { type: 'PathPrefix', value: '/other' } }];
    http.spec.rules.push({ matches, backendRefs });
    const grpc = { ...http, kind: 'GRPCRoute', spec: { ...http.spec, rules: [{ backendRefs }] } };
    const kinds = ['HTTPRoute', 'GRPCRoute'] as const;
    const routes = kinds.map((kind) => ({ kind, name: app }));
    const change = { traffic: { service: app, gatewayAPI: { routes } } };
    const everywhere = async (): Promise<readonly string[]> => {
      const read = await Promise.all(kinds.map((kind) => stage.readRoute(kind)));
      return read.flatMap(({ spec, metadata }) =>
        spec.rules.map(({ backendRefs: [stable, canary] }) => {
          const verdict = metadata.annotations?.[VERDICT_ANNOTATION];
          return `${stable?.weight} and ${canary?.weight}, ${verdict}`;
        }),
      );
    };
    const object = stage.object(stage.template('v1'), change);
    await stage.cluster.apply([stage.service(), http, grpc, object]);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), change);
    await stage.canaryAt(20);
    expect(await everywhere()).to.deep.equal(Array.from({ length: 3 }, () => '80 and 20, none'));
    await stage.breakCanary();
    await stage.phase('RolledBack');
    expect(await everywhere()).to.deep.equal(
      Array.from({ length: 3 }, () => '100 and 0, rejected'),
    );
  });

  it('is waited for, explained and scaled by kubectl', async () => {
    await stage.applyAll(stage.template('v1'));
    const kubectl = (...args: string[]): Promise<string> =>
      stage.cluster.kubectl([...args, '-n', stage.namespace]);
    await kubectl('wait', '--for=condition=Ready', `x0tta/${app}`, '--timeout=60s');
    expect(await kubectl('explain', 'x0tta.spec.canary')).to.match(/steps\s.*-required-/);
    await kubectl('scale', `x0tta/${app}`, '--replicas=4');
    await stage.status('four pods', ({ ready, phase }) => ready === '4/4' && phase === 'Stable');
    expect((await stage.pods()).length).to.equal(4);
    const [header = '', row = ''] = (await kubectl('get', 'x0tta')).split('\n');
    expect(header).to.match(/^NAME +PHASE +STEP +WEIGHT +STABLE +CANARY +READY +REASON +AGE/);
    expect(row).to.match(/^shop +Stable .* 4\/4 +Stable /);
  });
});
