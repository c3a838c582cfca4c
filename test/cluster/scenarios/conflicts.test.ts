// More on scenario 21 of docs/scenarios.md: every write of a status meets another writer, during a
// rollback or from the very first apply. A proxy answers in the other writer's stead.
import { expect } from 'chai';
import { STEP_START_ANNOTATION } from '../../../src/api/names.ts';
import type { Status } from '../../../src/api/schema.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { startHoldingProxy } from './holdingProxy.ts';
import type { HoldingProxy } from './holdingProxy.ts';
import { Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const change = { canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' } };
const statusPath = /x0ttadeployments\/[^/]+\/status/;
const isStatus = (write: string): boolean => statusPath.test(write);
/** The Lease is renewed every few seconds, whatever else there is to do. */
const isLease = (write: string): boolean => write.includes('/leases/');

describe('conflicts on every status write', function () {
  this.timeout(120_000);
  let stage: Stage;
  let standIns: StandIns;
  let proxy: HoldingProxy;
  let operator: OperatorHandle;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    proxy = await startHoldingProxy(cluster);
    stage = await Stage.open(cluster, 'conflicts');
    operator = await stage.startOperator(proxy.url);
  });

  beforeEach(async () => {
    stage = await Stage.open(stage.cluster, 'conflicts');
  });

  afterEach(async () => {
    proxy.answerConflict(null);
    await stage.close();
  });

  after(async () => {
    await operator.stop();
    await proxy.close();
    await standIns.stop();
  });

  const refuseStatus = (): void => {
    proxy.answerConflict(statusPath);
  };

  const weightsAre = async (...weights: readonly number[]): Promise<void> => {
    await waitFor(`the weights ${weights.join(' and ')}`, async () => {
      return (await stage.weights()).toString() === weights.toString();
    });
  };

  const podNames = async (): Promise<readonly string[]> =>
    (await stage.pods()).map(({ metadata }) => metadata.name);

  /** Breaks the canary, and returns once its traffic is back on stable. */
  const rollBackUnheard = async (revision: string | undefined): Promise<void> => {
    proxy.set(null);
    await stage.breakCanary(revision);
    await weightsAre(100, 0);
    const [first] = proxy.writes.filter((write) => !isStatus(write) && !isLease(write));
    expect(first).to.equal(`PATCH ${stage.routePath}`);
    await waitFor('a refused status after it', () => {
      return proxy.writes.findLastIndex(isStatus) > proxy.writes.indexOf(first ?? '');
    });
  };

  const expectRolledBack = (status: Status, stable: readonly string[]): void => {
    const [incident] = status.incidents ?? [];
    expect(status.incidents).to.have.lengthOf(1);
    expect(incident).to.include({ alert: 'SERVICE_DOWN', signal: 'pods' });
    expect(incident?.trafficRestoredAt).to.be.a('string');
    expect(incident?.resolvedAt).to.be.a('string');
    expect(incident?.actions).to.include.members(['canary weight set to 0', 'revision rejected']);
    expect(status.rejected?.map(({ revision }) => revision)).to.deep.equal([incident?.revision]);
    expect(status.canary?.revision).to.equal(incident?.revision);
    expect(status.stable).to.include({ available: stable.length, weight: 100 });
    const rolledBack = status.conditions?.find(({ type }) => type === 'RolledBack');
    expect(rolledBack).to.include({ status: 'True' });
  };

  it('hold up no rollback, which the status tells after them', async () => {
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    const stable = await podNames();
    await stage.apply(stage.template('v2'), change);
    const { canary } = await stage.canaryAt(20);
    refuseStatus();
    await rollBackUnheard(canary?.revision);
    expect((await stage.read()).status?.phase).to.equal('Progressing');
    proxy.answerConflict(null);
    expectRolledBack(await stage.phase('RolledBack'), stable);
  });

  it('hold up no rollout either, from the first apply on', async () => {
    refuseStatus();
    await stage.applyAll(stage.template('v1'), change);
    await waitFor('the pods of stable', async () => (await podNames()).length === 2);
    const stable = await podNames();
    await stage.apply(stage.template('v2'), change);
    await weightsAre(80, 20);
    await waitFor('the step to begin', async () => {
      return (await stage.replicaSets()).some(({ metadata }) => {
        return metadata.annotations?.[STEP_START_ANNOTATION] !== undefined;
      });
    });
    const canary = (await stage.pods()).filter(({ metadata }) => !stable.includes(metadata.name));
    expect(canary).to.have.lengthOf(1);
    await rollBackUnheard(canary[0]?.metadata.labels?.['pod-template-hash']);
    expect((await stage.read()).status?.phase).to.equal(undefined);
    proxy.answerConflict(null);
    expectRolledBack(await stage.phase('RolledBack'), stable);
  });
});
