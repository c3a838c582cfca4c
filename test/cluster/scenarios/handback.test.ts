// A chart that holds the routes, applied on the server's side without force as Helm 4 does: at rest
// it meets no conflict, since the operator has taken its own entries out; in mid-canary it does.
import { expect } from 'chai';
import type { RouteKind } from '../../../src/api/schema.ts';
import { isHandBack } from '../auditLog.ts';
import type { AuditedWrite } from '../auditLog.ts';
import type { Cluster } from '../cluster.ts';
import { gatewayRef } from '../gateway.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { fieldOwners } from './fieldOwners.ts';
import { openRollout } from './rollouts.ts';
import type { Rollout } from './rollouts.ts';
import { app } from './stage.ts';
import type { SpecChange } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const kinds: readonly RouteKind[] = ['HTTPRoute', 'GRPCRoute'];
const routes = kinds.map((kind) => ({ kind, name: app }));
const withHold = (hold: string): SpecChange => ({
  traffic: { service: app, gatewayAPI: { routes } },
  canary: { steps: [{ weight: 20, hold }], drainDelay: '2s' },
});

describe('a chart that holds the routes', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let standIns: StandIns;
  let metrics: FakePrometheus;
  let operator: OperatorHandle;
  let rollout: Rollout;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    metrics = await startFakePrometheus();
    const { stage } = await openRollout(cluster, 'handback', metrics);
    operator = await stage.startOperator();
  });

  beforeEach(async () => {
    rollout = await openRollout(cluster, 'handback', metrics);
  });

  afterEach(() => rollout.stage.close());

  after(async () => {
    await operator.stop();
    await metrics.close();
    await standIns.stop();
  });

  /** The routes as a chart has them: what the API server fills in is left out. */
  const chartOf = (path: string): readonly object[] => {
    const { namespace, hostname } = rollout.stage;
    const matches = {
      HTTPRoute: [{ path: { value: path } }],
      GRPCRoute: [{ method: { service: path === '/' ? app : path.slice(1) } }],
    };
    return kinds.map((kind) => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind,
      metadata: { name: app, namespace },
      spec: {
        parentRefs: [gatewayRef],
        hostnames: [hostname],
        rules: [
          {
            matches: matches[kind],
            backendRefs: [
              { name: `${app}-stable`, port: 8080, weight: 100 },
              { name: `${app}-canary`, port: 8080, weight: 0 },
            ],
          },
        ],
      },
    }));
  };

  const upgrade = (path: string, ...flags: readonly string[]): Promise<string> => {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: chartOf(path) });
    const how = ['apply', '--server-side', '--field-manager=helm', ...flags, '-f', '-'];
    return cluster.kubectl(how, { input });
  };

  const install = async (hold: string): Promise<void> => {
    const { stage } = rollout;
    await upgrade('/');
    await cluster.apply([stage.service(), stage.object(stage.template('v1'), withHold(hold))]);
    await stage.phase('Stable');
  };

  const owners = async (): Promise<readonly (readonly string[])[]> =>
    Promise.all(kinds.map((kind) => fieldOwners(rollout.stage, kind)));

  const handedBack = (): Promise<true | undefined> =>
    waitFor('the routes without an entry of the operator', async () => {
      return !(await owners()).flat().includes('x0tta') || undefined;
    });

  /** The operator's writes of routes so far. */
  const routeWrites = (): readonly AuditedWrite[] =>
    rollout.stage.writes().filter(({ user, objectRef }) => {
      return user.username.endsWith(':x0tta') && /^(?:http|grpc)routes$/.test(objectRef.resource);
    });

  /**
   * The chart's next version goes through, with what it changes; the operator has looked at that,
   * and at a new spec, and has written neither route.
   */
  const expectUpgraded = async (hold: string): Promise<void> => {
    const { stage } = rollout;
    const written = routeWrites().length;
    const { phase } = (await stage.read()).status ?? {};
    await upgrade('/next');
    const { spec } = await stage.readRoute();
    expect(spec.rules[0]).to.have.nested.property('matches[0].path.value', '/next');
    expect(await stage.weights()).to.deep.equal([100, 0]);
    for (const list of await owners()) expect(list).to.deep.equal(['helm']);
    const version = phase === 'Stable' ? 'v2' : 'v1';
    await stage.apply(stage.template(version), { ...withHold(hold), revisionHistoryLimit: 7 });
    await stage.phase('Stable');
    expect(routeWrites(), 'nothing of the routes is written at rest').to.have.lengthOf(written);
  };

  it('is upgraded after a promotion', async () => {
    const { stage, roll } = rollout;
    await install('2s');
    await roll('v2', healthy, withHold('2s'));
    expect((await owners()).flat(), 'in mid-canary').to.include('x0tta');
    await stage.status('v2 stable', ({ phase, canary }) => {
      return phase === 'Stable' && canary === undefined;
    });
    await handedBack();
    expect(await stage.weights()).to.deep.equal([100, 0]);
    await expectUpgraded('2s');
  });

  it('is upgraded after a rollback, whose verdict stays, and is rolled out again', async () => {
    const { stage, roll } = rollout;
    await install('1h');
    await roll('v2', healthy, withHold('1h'));
    await stage.breakCanary();
    await stage.phase('RolledBack');
    await handedBack();
    const own = stage.writes().filter(({ user }) => user.username.endsWith(':x0tta'));
    const scaledDown = own.findLastIndex(({ objectRef }) => objectRef.resource === 'replicasets');
    expect(own.findIndex(isHandBack), 'after the drain').to.be.above(scaledDown);
    expect(own.filter(isHandBack)).to.have.lengthOf(kinds.length);
    await expectUpgraded('1h');
    await roll('v3', healthy, withHold('1h'));
    expect(await stage.weights()).to.deep.equal([80, 20]);
    expect((await owners()).flat()).to.include('x0tta');
  });

  it('meets a conflict in mid-canary; with force its weights stand for one pass', async () => {
    const { stage, roll } = rollout;
    await install('1h');
    await roll('v2', healthy, withHold('1h'));
    const refused = await upgrade('/next').catch((error: unknown) => String(error));
    expect(refused).to.match(/conflict with "x0tta"[^]*\.spec\.rules/);
    // As docs/gitops.md has it.
    const managers = 'jsonpath={.metadata.managedFields[*].manager}';
    const told = ['get', 'httproute', app, '-n', stage.namespace, '-o', managers];
    expect((await cluster.kubectl(told)).split(' ')).to.include('x0tta');
    expect(await stage.weights()).to.deep.equal([80, 20]);
    await upgrade('/next', '--force-conflicts');
    await waitFor('the weights put back', async () => {
      return (await stage.weights()).toString() === '80,20';
    });
    const { spec } = await stage.readRoute();
    expect(spec.rules[0]).to.have.nested.property('matches[0].path.value', '/next');
    expect(stage.weightChanges()).to.deep.equal([0, 20, 0, 20]);
  });
});
