// More on scenario 25 of docs/scenarios.md: a user scales up and down while a canary is in traffic.
// Pods are made ready by a helper, and no metric server answers.
import { expect } from 'chai';
import type { Status } from '../../../src/api/schema.ts';
import type { OperatorHandle } from '../operator.ts';
import { sharedCluster } from '../shared.ts';
import { app, Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const change = { canary: { steps: [{ weight: 25, hold: '1h' }], drainDelay: '0s' } };

describe('scaling while a canary is in traffic', function () {
  this.timeout(120_000);
  let stage: Stage;
  let standIns: StandIns;
  let operator: OperatorHandle;

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    stage = await Stage.open(cluster, 'scaling');
    operator = await stage.startOperator();
    await stage.applyAll(stage.template('v1'), { ...change, replicas: 4 });
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), { ...change, replicas: 4 });
    await stage.canaryAt(25);
  });

  after(async () => {
    await stage.close();
    await operator.stop();
    await standIns.stop();
  });

  const scale = async (replicas: number): Promise<void> => {
    const { namespace } = stage;
    await stage.cluster.kubectl([
      'scale',
      `x0tta/${app}`,
      `--replicas=${replicas}`,
      '-n',
      namespace,
    ]);
  };

  const pods = (canary: number, stable: number): Promise<Status> =>
    stage.status(`${canary} and ${stable} pods`, (status) => {
      const available = [status.canary?.available, status.stable?.available];
      return available.join() === [canary, stable].join() && status.replicas === canary + stable;
    });

  it('keeps the shares and scales both revisions to them', async () => {
    const { step } = await pods(1, 4);
    await scale(10);
    // A quarter of ten pods is two and a half.
    await pods(3, 10);
    expect(await stage.weights()).to.deep.equal([75, 25]);
    await scale(5);
    await pods(2, 5);
    await scale(2);
    // Four is what stable had when the rollout began.
    const end = await pods(1, 4);
    expect(end.step).to.deep.equal(step);
    expect(end.phase).to.equal('Progressing');
    expect(await stage.weights()).to.deep.equal([75, 25]);
    expect(stage.weightChanges()).to.deep.equal([0, 25]);
  });
});
