// Scenarios 11 and 30 of docs/scenarios.md: a container that the kernel kills, and rollbacks under
// five hundred requests a second, one alone and twenty at once; real pods behind a real gateway.
import { expect } from 'chai';
import type { Load } from '../load/generator.ts';
import type { OperatorHandle } from '../operator.ts';
import { sharedCluster } from '../shared.ts';
import { Stage } from './stage.ts';
import type { SpecChange } from './stage.ts';

const longStep: SpecChange = {
  canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '10s' },
};

interface Template {
  readonly spec: { readonly containers: { resources?: object }[] };
}

describe('a rollback under load', function () {
  this.timeout(480_000);
  let operator: OperatorHandle;
  let first: Stage;
  const open: Stage[] = [];
  const loads: Load[] = [];

  const stageOf = async (name: string): Promise<Stage> => {
    const stage = await Stage.open(await sharedCluster('gateway'), name);
    open.push(stage);
    return stage;
  };

  before(async () => {
    first = await Stage.open(await sharedCluster('gateway'), 'load');
    operator = await first.startOperator();
  });

  afterEach(async () => {
    await Promise.all(loads.splice(0).map((load) => load.stop()));
    await Promise.all(open.splice(0).map((stage) => stage.close()));
  });

  after(async () => {
    await operator.stop();
  });

  it('scenario 11: takes the traffic from a container that was killed for its memory', async () => {
    const stage = await stageOf('oom');
    await stage.applyAll(stage.template('v1'), longStep);
    await stage.phase('Stable');
    loads.push(await stage.startLoad(50));
    const env = { MEMORY_MB_PER_SECOND: '12', MEMORY_MAX_MB: '2000' };
    const template = stage.template('v2', env) as unknown as Template;
    for (const container of template.spec.containers) {
      container.resources = { limits: { memory: '250Mi' }, requests: { memory: '50Mi' } };
    }
    await stage.apply(template, longStep);
    const status = await stage.phase('RolledBack');
    expect(status.incidents?.[0]).to.include({ alert: 'MEMORY_EXHAUSTION', signal: 'pods' });
    expect(status.incidents?.[0]?.value).to.include('OOMKilled');
    expect(stage.weightChanges()).to.deep.equal([0, 20, 0]);
    expect(await stage.weights()).to.deep.equal([100, 0]);
  });

  /** Waits for the end of a canary with errors. */
  const rolledBack = async (stage: Stage): Promise<void> => {
    const status = await stage.phase('RolledBack', 180_000);
    expect(status.incidents?.[0]).to.include({ alert: 'HIGH_ERROR_RATE' });
  };

  /** Ends the load; what was due was sent, and no request to stable may have failed. */
  const lostNothing = async (load: Load): Promise<void> => {
    const { sent, skipped, versions, timeline } = await load.stop();
    const what = JSON.stringify({ sent, skipped, versions, timeline });
    // A gateway that stands still fails nothing, and holds up all that would be sent meanwhile.
    expect(skipped / (sent + skipped), what).to.be.at.most(0.01);
    expect(Object.keys(versions), what).to.have.members(['v1', 'v2']);
    expect(versions['v1']?.failures, what).to.deep.equal({});
    expect(Object.keys(versions['v1']?.byStatus ?? {}), what).to.deep.equal(['200']);
  };

  it('scenario 30: loses no request to stable at five hundred a second', async () => {
    const stage = await stageOf('fast');
    await stage.applyAll(stage.template('v1'), { ...longStep, replicas: 2 });
    await stage.phase('Stable');
    const load = await stage.startLoad(500);
    loads.push(load);
    await stage.apply(stage.template('v2', { ERROR_RATIO: '0.5' }), { ...longStep, replicas: 2 });
    await rolledBack(stage);
    await lostNothing(load);
  });

  it('loses no request to stable while twenty canaries are rolled back', async () => {
    const stages = await Promise.all(Array.from({ length: 20 }, (_, i) => stageOf(`twenty-${i}`)));
    const change = { ...longStep, replicas: 1 };
    for (const stage of stages) await stage.applyAll(stage.template('v1'), change);
    for (const stage of stages) await stage.phase('Stable', 180_000);
    // One after the other: twenty processes that start at once would starve the pods' own probes.
    const env = { ERROR_RATIO: '0.5' };
    for (const stage of stages) {
      await stage.apply(stage.template('v2', env), change);
      await stage.status('the canary in traffic', ({ canary }) => canary?.weight === 20);
    }
    const all = await Promise.all(stages.map((stage) => stage.startLoad(25)));
    loads.push(...all);
    for (const stage of stages) await rolledBack(stage);
    for (const load of all) await lostNothing(load);
  });
});
