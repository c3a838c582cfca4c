// More on scenarios 7 and 10 of docs/scenarios.md: what canaries whose pods crash leave behind, and
// which write is the first one. Pods crash by their status only; no metric server answers.
import { expect } from 'chai';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { app, Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

/** Nothing but the crash can end the step in the time of a test. */
const patient = {
  canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' },
  progressDeadlineSeconds: 3600,
};

describe('pods that fail', function () {
  this.timeout(120_000);
  let stage: Stage;
  let standIns: StandIns;
  let operator: OperatorHandle;
  let stable: readonly string[];

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    stage = await Stage.open(cluster, 'failing');
    operator = await stage.startOperator();
  });

  beforeEach(async () => {
    stage = await Stage.open(stage.cluster, 'failing');
    await stage.applyAll(stage.template('v1'), patient);
    await stage.phase('Stable');
    stable = await podUids();
  });

  afterEach(async () => {
    await stage.close();
  });

  after(async () => {
    await operator.stop();
    await standIns.stop();
  });

  const podUids = async (): Promise<readonly string[]> =>
    (await stage.pods()).map(({ metadata }) => metadata.uid);

  /** Rolls a version out, breaks it in traffic, and returns its revision once it is rolled back. */
  const rollAndBreak = async (version: string): Promise<string> => {
    await stage.apply(stage.template(version), patient);
    const { canary } = await stage.canaryAt(20);
    await stage.breakCanary();
    await stage.phase('RolledBack');
    return canary?.revision ?? '';
  };

  const expectStableServes = async (): Promise<void> => {
    expect(await stage.weights()).to.deep.equal([100, 0]);
    await waitFor('the pods of stable alone', async () => {
      return (await podUids()).toString() === stable.toString();
    });
    const { status } = await stage.read();
    for (const role of ['stable', 'canary']) {
      const selector = await stage.cluster.kubectl([
        'get',
        'service',
        `${app}-${role}`,
        `--namespace=${stage.namespace}`,
        '--output=jsonpath={.spec.selector.pod-template-hash}',
      ]);
      expect(selector, `what ${role} selects`).to.equal(status?.stable?.revision);
    }
  };

  it('are rolled back twice in a row, each revision for itself', async () => {
    const second = await rollAndBreak('v2');
    const third = await rollAndBreak('v3');
    const { rejected, incidents } = await stage.phase('RolledBack');
    expect(rejected?.map(({ revision }) => revision)).to.deep.equal([third, second]);
    expect(incidents?.map(({ revision }) => revision)).to.deep.equal([third, second]);
    for (const incident of incidents ?? []) expect(incident.resolvedAt).to.be.a('string');
    expect(stage.weightChanges()).to.deep.equal([0, 20, 0, 20, 0]);
    await expectStableServes();
    await stage.apply(stage.template('v2'), patient);
    const again = await stage.phase('RolledBack');
    expect(again.canary?.revision).to.equal(second);
    expect(again.rejected).to.deep.equal(rejected);
    await stage.apply(stage.template('v1'), patient);
    await stage.phase('Stable');
    expect(stage.weightChanges()).to.deep.equal([0, 20, 0, 20, 0]);
    await expectStableServes();
  });

  it('lose their traffic to stable in the first write after a crash', async () => {
    const revision = await rollAndBreak('v2');
    const { incidents, rejected } = await stage.phase('RolledBack');
    expect(incidents).to.have.lengthOf(1);
    expect(incidents?.[0]).to.include({ alert: 'SERVICE_DOWN', signal: 'pods', revision });
    expect(incidents?.[0]?.value).to.include('CrashLoopBackOff');
    expect(rejected?.[0]?.revision).to.equal(revision);
    const writes = stage.writes();
    const crash = writes.findIndex(({ objectRef, responseObject }) => {
      return objectRef.resource === 'pods' && /CrashLoop/.test(JSON.stringify(responseObject));
    });
    expect(crash).to.be.above(0);
    const first = writes.slice(crash).find(({ user, objectRef }) => {
      return user.username.endsWith(':x0tta') && objectRef.resource !== 'events';
    });
    expect(first?.objectRef).to.include({ resource: 'httproutes', name: app });
    expect(stage.weightChanges()).to.deep.equal([0, 20, 0]);
    await expectStableServes();
  });

  it('get no traffic when they crash from the start', async () => {
    const template = stage.template('v2');
    const annotations = { 'test.x0tta.io/behaviour': 'crash-loop' };
    const metadata = { ...(template['metadata'] as object), annotations };
    await stage.apply({ ...template, metadata }, patient);
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]).to.include({ alert: 'SERVICE_DOWN', signal: 'pods' });
    expect(stage.weightChanges()).to.deep.equal([0]);
    await expectStableServes();
  });
});
