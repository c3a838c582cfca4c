// The Gateway API provider on an API server in memory: the suite of all providers, and what is its
// own: which requests it makes, and what it does when others write at the same moment.
import { expect } from 'chai';
import { errorFromStatus } from '../../src/kube/errors.ts';
import type { HttpRoute } from '../../src/traffic/httpRoute.ts';
import { createGatewayApi } from '../../src/traffic/gatewayApi.ts';
import type { RouteOutcome, TrafficProvider, TrafficTarget } from '../../src/traffic/port.ts';
import {
  describeTrafficProvider,
  type RouteWeights,
  type TrafficWorld,
} from '../conformance/traffic.ts';
import { FakeRoutes, networkError } from './fakeRoutes.ts';
import { backend, lowerTo, raiseTo, routeOf, splitRule, target } from './routes.ts';

function rulesOf(weights: RouteWeights | 'none') {
  if (weights === 'none') return [{ backendRefs: [backend('web', 1)] }];
  const others = weights.other === undefined ? [] : [backend('legacy', weights.other)];
  return [splitRule(weights.stable, weights.canary, ...others)];
}

function worldOf(routes: FakeRoutes): TrafficWorld {
  const { store } = routes;
  return {
    provider: createGatewayApi({
      client: routes,
      stores: { HTTPRoute: store, GRPCRoute: store },
      clock: { nowMs: () => 5 },
    }),
    async write(name, weights) {
      const rules = rulesOf(weights);
      if (routes.live(name) === undefined) routes.write(routeOf(rules, undefined, name));
      else routes.edit(name, (route) => ({ ...route, spec: { rules } }));
    },
    async remove(name) {
      routes.remove(name);
    },
    async weights(name) {
      const refs = routes.live(name)?.spec.rules?.[0]?.backendRefs ?? [];
      const [stable = 0, canary = 0, other] = refs.map(({ weight = 1 }) => weight);
      return other === undefined ? { stable, canary } : { stable, canary, other };
    },
    async catchUp() {
      routes.catchUp();
    },
  };
}

for (const kind of ['HTTPRoute', 'GRPCRoute'] as const) {
  describeTrafficProvider(
    `gatewayApi of ${kind}s`,
    kind,
    () => target,
    async () => worldOf(new FakeRoutes()),
  );
}

describe('gatewayApi', () => {
  let routes: FakeRoutes;
  let provider: TrafficProvider;

  beforeEach(async () => {
    routes = new FakeRoutes();
    const world = worldOf(routes);
    provider = world.provider;
    await world.write('web', { stable: 100, canary: 0 });
    await world.catchUp();
  });

  const raise = (percent: number): Promise<readonly RouteOutcome[]> =>
    provider.carryOut(target, provider.read(target), raiseTo(percent));
  const lower = (percent: number): Promise<readonly RouteOutcome[]> =>
    provider.carryOut(target, provider.read(target), lowerTo(percent));
  const handBack = (): Promise<readonly RouteOutcome[]> =>
    provider.handBack(target, provider.read(target));
  const managers = (): unknown =>
    routes.live('web')?.metadata.managedFields?.map(({ manager }) => manager);
  const stripMark = (route: HttpRoute): HttpRoute => {
    const { annotations: _, ...metadata } = route.metadata;
    return { ...route, metadata };
  };

  it('writes once, as its own field manager, and says when that was acknowledged', async () => {
    expect(await raise(5)).to.deep.equal([{ kind: 'done', route: 'web', changed: true, atMs: 5 }]);
    expect(routes.requests).to.deep.equal(['PATCH web']);
    expect(managers()).to.deep.equal(['kubectl', 'x0tta']);
  });

  it('asks nobody when it reads, and nobody when nothing is to do', async () => {
    await raise(5);
    routes.requests.length = 0;
    provider.read(target);
    await raise(5);
    expect(routes.requests).to.deep.equal([]);
  });

  it('sends no write of a raise that it knows to be stale', async () => {
    const views = provider.read(target);
    await raise(5);
    routes.requests.length = 0;
    const [outcome] = await provider.carryOut(target, views, raiseTo(25));
    expect(outcome).to.have.property('kind', 'conflict');
    expect(routes.requests).to.deep.equal([]);
  });

  it('does not try a raise again that met a conflict', async () => {
    routes.edit('web', (route) => route);
    const [outcome] = await raise(5);
    expect(outcome).to.have.property('kind', 'conflict');
    expect(outcome).to.have.property('message').that.includes('changed at the same time');
    expect(routes.requests).to.deep.equal(['PATCH web']);
  });

  it('looks at the live route and plans again when a lower meets a conflict', async () => {
    await raise(50);
    const moved = [{ backendRefs: [backend('new', 3)] }, splitRule(40, 60)];
    routes.edit('web', (route) => ({ ...stripMark(route), spec: { rules: moved } }));
    routes.requests.length = 0;
    expect(await lower(0)).to.deep.equal([{ kind: 'done', route: 'web', changed: true, atMs: 5 }]);
    expect(routes.requests).to.deep.equal(['PATCH web', 'GET web', 'PATCH web']);
    const rules = routes.live('web')?.spec.rules;
    expect(rules).to.deep.equal([{ backendRefs: [backend('new', 3)] }, splitRule(100, 0)]);
  });

  it('gives a lower up after three new plans', async () => {
    await raise(50);
    routes.requests.length = 0;
    let flips = 0;
    routes.onRequest = (what) => {
      const rules = flips % 2 === 0 ? [{}, splitRule(50, 50)] : [splitRule(50, 50)];
      if (what === 'PATCH web') routes.edit('web', (route) => ({ ...route, spec: { rules } }));
      if (what === 'PATCH web') flips++;
    };
    const [outcome] = await lower(0);
    expect(outcome).to.have.property('kind', 'conflict');
    const again = ['GET web', 'PATCH web'];
    expect(routes.requests).to.deep.equal(['PATCH web', ...again, ...again, ...again]);
  });

  it('says that a route is gone when it goes in the middle of a lower', async () => {
    await raise(50);
    routes.edit('web', stripMark);
    routes.onRequest = (what) => {
      if (what === 'GET web') routes.remove('web');
    };
    expect(await lower(0)).to.deep.equal([{ kind: 'gone', route: 'web' }]);
  });

  it('reports a failure of one route and still writes the others', async () => {
    routes.write(routeOf([splitRule(100, 0)], undefined, 'admin'));
    routes.catchUp();
    const both: TrafficTarget = {
      ...target,
      routes: [...target.routes, { kind: 'HTTPRoute', name: 'admin' }],
    };
    routes.onRequest = (what) => {
      if (what === 'PATCH web') throw networkError();
    };
    const outcomes = await provider.carryOut(both, provider.read(both), raiseTo(5));
    expect(outcomes.map(({ kind }) => kind)).to.deep.equal(['failed', 'done']);
    const [failed] = outcomes;
    if (failed?.kind !== 'failed') throw new Error('unreachable');
    expect(failed.error.message).to.equal('HTTPRoute web could not be written: connection refused');
    expect(failed.error.cause).to.be.instanceOf(Error);
  });

  it('raises nothing that it could only raise too far', async () => {
    const rules = [splitRule(1, 0, backend('legacy', 1))];
    routes.edit('web', (route) => ({ ...route, spec: { rules } }));
    routes.catchUp();
    const [outcome] = await raise(5);
    if (outcome?.kind !== 'failed') throw new Error(`the raise was ${outcome?.kind}`);
    expect(outcome.error.message).to.include('below 100; give all backends of the rule weights');
    expect(routes.requests).to.deep.equal([]);
  });

  it('rejects a look at live routes that fails', async () => {
    routes.onRequest = () => {
      throw networkError();
    };
    let thrown: unknown;
    await provider.readBack(target).catch((error: unknown) => (thrown = error));
    expect(thrown).to.have.property('message', 'connection refused');
  });

  it('names who overwrote the weights', async () => {
    await raise(5);
    routes.edit('web', (route) => ({ ...route, spec: { rules: [splitRule(100, 0)] } }), 'argocd');
    await provider.readBack(target);
    expect(provider.read(target)[0]?.otherManager).to.equal('argocd');
    await raise(5);
    await provider.readBack(target);
    expect(provider.read(target)[0]?.otherManager).to.equal(null);
  });

  describe('handing its fields back', () => {
    beforeEach(async () => {
      await raise(5);
      await lower(0);
      routes.requests.length = 0;
    });

    it('is one patch of the stored route, and leaves the entries of others', async () => {
      routes.edit('web', (route) => route, 'gateway');
      routes.catchUp();
      const [outcome] = await handBack();
      expect(outcome).to.deep.equal({ kind: 'done', route: 'web', changed: true, atMs: 5 });
      expect(routes.requests).to.deep.equal(['PATCH web']);
      expect(managers()).to.deep.equal(['kubectl']);
    });

    it('asks nobody where no entry is its own', async () => {
      await handBack();
      routes.requests.length = 0;
      const [outcome] = await handBack();
      expect(outcome).to.include({ kind: 'done', changed: false });
      expect(routes.requests).to.deep.equal([]);
    });

    it('looks at the live route where another one wrote meanwhile', async () => {
      const labels = { by: 'gateway' };
      routes.edit('web', (route) => ({ ...route, metadata: { ...route.metadata, labels } }));
      expect((await handBack())[0]).to.include({ kind: 'done', changed: true });
      expect(routes.requests).to.deep.equal(['PATCH web', 'GET web', 'PATCH web']);
      expect(managers()).to.not.include('x0tta');
    });

    it('leaves a route whose canary got weight meanwhile', async () => {
      const rules = [splitRule(60, 40)];
      routes.edit('web', (route) => ({ ...route, spec: { rules } }));
      expect((await handBack())[0]).to.include({ kind: 'done', changed: false });
      expect(routes.requests).to.deep.equal(['PATCH web', 'GET web']);
      expect(managers()).to.include('x0tta');
    });

    it('fails where the server gives the entry back, and does not insist', async () => {
      routes.remove('web');
      routes.write(routeOf([splitRule(100, 0)]), 'x0tta');
      routes.catchUp();
      const [outcome] = await handBack();
      if (outcome?.kind !== 'failed') throw new Error(`the hand-back was ${outcome?.kind}`);
      expect(outcome.error.message).to.include('managedFields name x0tta again');
      expect(routes.requests).to.deep.equal(['PATCH web']);
    });

    it('tells what the server refuses', async () => {
      routes.onRequest = () => {
        throw errorFromStatus(403, { reason: 'Forbidden', message: 'not allowed' }, true);
      };
      const [outcome] = await handBack();
      if (outcome?.kind !== 'failed') throw new Error(`the hand-back was ${outcome?.kind}`);
      expect(outcome.error.message).to.include('HTTPRoute web').and.include('not allowed');
      expect(routes.requests).to.deep.equal(['PATCH web']);
    });
  });
});
