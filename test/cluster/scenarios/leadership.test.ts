// Scenarios 20 and 23 of docs/scenarios.md: two operators and one Lease. The leader is killed, cut
// off or stopped in the middle of a rollback, and the other one finishes it; a leader that is told
// to go hands over at once.
import { expect } from 'chai';
import { defaultLeaseTimes } from '../../../src/kube/lease.ts';
import { isHandBack } from '../auditLog.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { sharedCluster } from '../shared.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';
import { startHoldingProxy } from './holdingProxy.ts';
import type { HoldingProxy } from './holdingProxy.ts';
import { Stage } from './stage.ts';

const { durationMs, retryPeriodMs } = defaultLeaseTimes;
/** What the next leader may take, from the last sign of life on. */
const takeoverMs = durationMs + 2 * retryPeriodMs + 1_000;

describe('two operators', function () {
  this.timeout(180_000);
  let stage: Stage;
  let pods: PodSetter;
  let routes: RouteAcceptor;
  let proxies: readonly HoldingProxy[];
  let leader: OperatorHandle;
  let follower: OperatorHandle;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    pods = await startPodSetter(cluster);
    routes = acceptRoutes(cluster);
  });

  beforeEach(async () => {
    const cluster = await sharedCluster('control-plane');
    stage = await Stage.open(cluster, 'leaders');
    proxies = [await startHoldingProxy(cluster), await startHoldingProxy(cluster)];
    leader = await stage.startOperator(proxies[0]?.url);
    const change = { canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' } };
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    follower = await stage.startOperator(proxies[1]?.url);
    await stage.apply(stage.template('v2'), change);
    await stage.status('the canary in traffic', ({ canary, step }) => {
      return canary?.weight === 20 && step?.startedAt !== undefined;
    });
    expect(writesOf(1), 'writes of the follower').to.deep.equal([]);
  });

  afterEach(async () => {
    leader.kill('SIGKILL');
    await leader.exited;
    await stage.close();
    await follower.stop();
    for (const proxy of proxies) await proxy.close();
  });

  after(async () => {
    await routes.stop();
    await pods.stop();
  });

  /** What an operator tried to write, the Lease left out. */
  const writesOf = (operator: 0 | 1): readonly string[] =>
    (proxies[operator]?.writes ?? []).filter((write) => !write.includes('/leases'));

  /** Runs until the first write of the leader's rollback is held, and returns when that was. */
  const leaderHeldInRollback = async (): Promise<number> => {
    const sprung = Promise.withResolvers<number>();
    proxies[0]?.set({ nth: 1, when: 'before', spring: () => sprung.resolve(Date.now()) });
    await stage.breakCanary();
    return sprung.promise;
  };

  /** When the canary's weight was last written, by the API server's clock. */
  const trafficBackMs = (): number => {
    const patch = stage.writes().findLast((write) => {
      const { objectRef, responseStatus } = write;
      const isRoute = objectRef.resource === 'httproutes' && objectRef.subresource === undefined;
      return isRoute && responseStatus.code === 200 && !isHandBack(write);
    });
    return Date.parse(patch?.requestReceivedTimestamp ?? '');
  };

  it('scenario 20: finish a rollback whose leader was killed', async () => {
    await leaderHeldInRollback();
    const killedMs = Date.now();
    leader.kill('SIGKILL');
    await stage.phase('RolledBack');
    expect(await stage.weights()).to.deep.equal([100, 0]);
    expect(trafficBackMs() - killedMs).to.be.within(0, takeoverMs);
  });

  it('scenario 20: finish a rollback whose leader is cut off', async () => {
    await leaderHeldInRollback();
    const cutMs = Date.now();
    proxies[0]?.cut();
    await stage.phase('RolledBack');
    expect(trafficBackMs() - cutMs).to.be.within(0, takeoverMs);
    expect(await leader.exited).to.equal(1);
  });

  it('scenario 23: a leader that was stopped past its lease writes nothing more', async () => {
    leader.kill('SIGSTOP');
    await stage.breakCanary();
    await stage.phase('RolledBack');
    const before = writesOf(0).length;
    leader.kill('SIGCONT');
    expect(await leader.exited).to.equal(1);
    expect(writesOf(0)).to.have.lengthOf(before);
    expect(await stage.weights()).to.deep.equal([100, 0]);
  });

  it('hand over at once when the leader is told to go', async () => {
    const toldMs = Date.now();
    leader.kill('SIGTERM');
    await stage.breakCanary();
    await stage.phase('RolledBack');
    expect(trafficBackMs() - toldMs).to.be.below(2_000);
    expect(await leader.exited).to.equal(0);
  });
});
