// Scenario 19 of docs/scenarios.md: the operator is killed at every single write of a rollback,
// before it is forwarded and after it took effect; the next one always reaches the same end.
import { expect } from 'chai';
import type { Status } from '../../../src/api/schema.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';
import { fieldOwners } from './fieldOwners.ts';
import { startHoldingProxy } from './holdingProxy.ts';
import type { HoldingProxy, Trap } from './holdingProxy.ts';
import { app, Stage } from './stage.ts';
import type { Route } from './stage.ts';

interface EndState {
  readonly weights: readonly number[];
  readonly replicas: readonly number[];
  readonly services: string;
  readonly phase: string | undefined;
  readonly incident: readonly (string | undefined)[];
  readonly rejected: number | undefined;
  readonly stablePods: number;
  /** Who has fields of the route. */
  readonly owners: readonly string[];
}

describe('an operator killed in the middle of a rollback', function () {
  this.timeout(600_000);
  let proxy: HoldingProxy;
  let pods: PodSetter;
  let routes: RouteAcceptor;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    pods = await startPodSetter(cluster);
    routes = acceptRoutes(cluster);
    proxy = await startHoldingProxy(cluster);
  });

  after(async () => {
    await proxy.close();
    await routes.stop();
    await pods.stop();
  });

  /** A canary at its first weight, and the operator that brought it there through the proxy. */
  const canaryInTraffic = async (name: string): Promise<readonly [Stage, OperatorHandle]> => {
    const stage = await Stage.open(await sharedCluster('control-plane'), name);
    proxy.set(null);
    // One that was killed keeps its lease; who leads next is told apart (leadership.test.ts).
    const operator = await stage.startOperator(proxy.url, '--no-leader-elect');
    const change = { canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' } };
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), change);
    await stage.status('the canary in traffic', ({ canary, step }) => {
      return canary?.weight === 20 && step?.startedAt !== undefined;
    });
    return [stage, operator];
  };

  const settled = async (stage: Stage): Promise<EndState> => {
    const status = await stage.phase('RolledBack');
    await waitFor('the canary scaled down, its service and the route handed back', async () => {
      const { replicas, services, owners } = await endState(stage, status);
      const isServiceBack = new Set(services.split(' ')).size === 1;
      return replicas[0] === 0 && isServiceBack && !owners.includes('x0tta');
    });
    return endState(stage, await stage.phase('RolledBack'));
  };

  const killAt = async (nth: number, when: Trap['when']): Promise<EndState> => {
    const [stage, operator] = await canaryInTraffic(`kill-${nth}-${when}`);
    proxy.set({ nth, when, spring: () => operator.kill('SIGKILL') });
    await stage.breakCanary();
    expect(await operator.exited).to.equal('SIGKILL');
    const next = await stage.startOperator(undefined, '--no-leader-elect');
    const state = await settled(stage);
    expectNoWeightAfterVerdict(stage);
    await stage.close();
    await next.stop();
    return state;
  };

  it('scenario 19: ends in the same state whichever write it dies at', async () => {
    const [stage, operator] = await canaryInTraffic('kill-none');
    proxy.set(null);
    await stage.breakCanary();
    const expected = await settled(stage);
    const count = proxy.writes.length;
    expectNoWeightAfterVerdict(stage);
    expect(proxy.writes[0]).to.match(/httproutes/);
    await stage.close();
    await operator.stop();
    expect(expected).to.deep.include({ weights: [100, 0], replicas: [0, 2], phase: 'RolledBack' });
    for (let nth = 1; nth <= count; nth++) {
      for (const when of ['before', 'after'] as const) {
        expect(await killAt(nth, when), `killed ${when} write ${nth}`).to.deep.equal(expected);
      }
    }
  });
});

async function endState(stage: Stage, status: Status): Promise<EndState> {
  const sets = await stage.replicaSets();
  const services = await stage.cluster.kubectl([
    'get',
    'services',
    `${app}-stable`,
    `${app}-canary`,
    '-n',
    stage.namespace,
    '-o',
    'jsonpath={.items[*].spec.selector.pod-template-hash}',
  ]);
  const [incident] = status.incidents ?? [];
  return {
    weights: await stage.weights(),
    replicas: sets.map(({ spec }) => spec.replicas).toSorted((a, b) => a - b),
    services: services.replaceAll(/\S+/g, (revision) =>
      revision === status.stable?.revision ? 'stable' : 'other',
    ),
    phase: status.phase,
    incident: [incident?.alert, incident?.signal, incident?.resolvedAt && 'resolved'],
    rejected: status.rejected?.length,
    stablePods: (await stage.pods(status.stable?.revision)).length,
    owners: await fieldOwners(stage),
  };
}

/** From the audit log: once a route carries the verdict, the canary's weight never rises. */
function expectNoWeightAfterVerdict(stage: Stage): void {
  let rejected = false;
  for (const { objectRef, responseObject } of stage.writes()) {
    if (objectRef.resource !== 'httproutes' || objectRef.subresource !== undefined) continue;
    const route = responseObject as Route;
    rejected ||= route.metadata.annotations?.['x0tta.io/verdict'] === 'rejected';
    const canary = route.spec.rules[0]?.backendRefs.find(({ name }) => name === `${app}-canary`);
    if (rejected) expect(canary?.weight).to.equal(0);
  }
  expect(rejected).to.equal(true);
}
