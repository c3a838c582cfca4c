// Scenarios 4, 7, 15, 24, 25 and 28 of docs/scenarios.md, on a real API server: the metric server
// says what each test wants, pods are made ready by a helper.
import { expect } from 'chai';
import { request } from 'undici';
import type { Cluster } from '../cluster.ts';
import type { LogLine, OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { besideOneAnother } from './beside.ts';
import { failing, healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { app } from './stage.ts';
import type { Scale, SpecChange, Stage } from './stage.ts';
import { openRollout } from './rollouts.ts';
import type { Rollout } from './rollouts.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

describe('a canary with steered evidence', function () {
  this.timeout(120_000);
  let cluster: Cluster;
  let operator: OperatorHandle;
  let standIns: StandIns;
  let metrics: FakePrometheus;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    metrics = await startFakePrometheus();
    const { stage } = await open();
    operator = await stage.startOperator();
  });

  after(async () => {
    await operator.stop();
    await metrics.close();
    await standIns.stop();
  });

  const open = (): Promise<Rollout> => openRollout(cluster, 'steered', metrics);

  const beside = besideOneAnother<Rollout>(async (test) => {
    const rollout = await open();
    try {
      await test(rollout);
    } finally {
      await rollout.stage.close();
    }
  });

  const steps = (...list: readonly object[]): SpecChange => ({
    canary: { steps: list, drainDelay: '1s' },
  });

  /** The operator's metrics as they are now, by name and labels. */
  const measured = async (): Promise<(series: string) => number | undefined> => {
    const answer = await request(`${operator.url}/metrics`);
    const lines = (await answer.body.text()).split('\n').map((line) => line.split(/ (?=\S+$)/));
    const values = new Map(lines.map(([series = '', value]) => [series, Number(value)]));
    return (series) => values.get(series);
  };

  /** What the operator logged of this namespace when it put back what somebody wrote. */
  const putBack = (stage: Stage): readonly LogLine[] =>
    operator.logs().filter(({ namespace, message }) => {
      return namespace === stage.namespace && String(message).includes('(written by somebody)');
    });

  /** What the scale subresource says of one revision's pods alone. */
  const countedAs = (replicas: number, revision: string | undefined): Scale['status'] => ({
    replicas,
    selector: `app=${app},pod-template-hash in (${revision})`,
  });

  // By itself, since it asks for all that the operator counted.
  it('scenario 4: rolls back a failure while a step waits for an approval', async () => {
    const { stage, begin, roll, report } = await open();
    const change = steps({ weight: 20, approval: 'Required' });
    await begin(change);
    const status = await roll('v2', healthy, change);
    await stage.phase('AwaitingApproval');
    await stage.status('evidence', ({ signals }) => {
      return signals?.find(({ name }) => name === 'errorRate')?.level === 'Normal';
    });
    const judged = await measured();
    const labels = `namespace="${stage.namespace}",name="${app}"`;
    expect(judged(`x0tta_canary_weight_ratio{${labels}}`)).to.equal(0.2);
    expect(judged(`x0tta_signal_value{${labels},signal="errorRate"}`)).to.equal(0);
    expect(judged('x0tta_objects{phase="AwaitingApproval"}')).to.equal(1);
    report(status, failing);
    const rolledBack = await stage.phase('RolledBack');
    expect(rolledBack.incidents?.[0]).to.include({ alert: 'HIGH_ERROR_RATE' });
    expect(await stage.weights()).to.deep.equal([100, 0]);
    const after = await measured();
    expect(after('x0tta_incidents_total{alert="HIGH_ERROR_RATE"}')).to.equal(1);
    expect(after('x0tta_hold_to_patch_seconds_count')).to.equal(1);
    expect(after('x0tta_hold_to_patch_seconds_sum')).to.be.within(0.001, 1);
    expect(after('x0tta_decisions_total{check="rollbackLimitHeld"}')).to.be.at.least(1);
    await stage.close();
  });

  beside(
    'goes on with a step that was approved, and not before',
    async ({ stage, begin, roll }) => {
      const change = steps({ weight: 20, approval: 'Required' }, { weight: 50, hold: '1h' });
      await begin(change);
      await roll('v2', healthy, change);
      await stage.phase('AwaitingApproval');
      await stage.act('approve/yes');
      const status = await stage.status('the second step', ({ step }) => step?.current === 2);
      expect(status.lastActions?.[0]).to.include({ id: 'yes', result: 'Done' });
      await stage.status('its weight', ({ canary }) => canary?.weight === 50);
    },
  );

  beside(
    'scenario 7: rolls two different revisions back, one after the other',
    async ({ stage, begin, roll }) => {
      const change = steps({ weight: 20, hold: '1h' });
      const { stable } = await begin(change);
      await roll('v2', failing, change);
      const first = await stage.phase('RolledBack');
      await roll('v3', failing, change);
      const second = await stage.phase('RolledBack');
      expect(second.rejected).to.have.lengthOf(2);
      expect(second.incidents?.map(({ revision }) => revision)).to.deep.equal(
        second.rejected?.map(({ revision }) => revision),
      );
      expect(second.rejected?.[1]).to.deep.equal(first.rejected?.[0]);
      expect(second.stable?.revision).to.equal(stable?.revision);
      expect(await stage.weights()).to.deep.equal([100, 0]);
      await waitFor('both canaries gone', async () => (await stage.pods()).length === 2);
    },
  );

  beside(
    'scenario 15: neither advances nor blames a canary that nobody calls',
    async ({ stage, begin, roll }) => {
      const change = steps({ weight: 20, hold: '3s' }, { weight: 50, hold: '3s' });
      await begin(change);
      await roll('v2', () => ({ errorRatio: 1, requestsPerSecond: 0.5 }), change);
      const status = await stage.status('too few requests', ({ conditions }) => {
        return conditions?.some(({ reason }) => reason === 'TooFewRequests') ?? false;
      });
      const ready = status.conditions?.find(({ type }) => type === 'Ready');
      expect(ready?.message).to.match(/needs 20 requests within the hold; \d+ are missing/);
      expect(status).to.deep.include({ phase: 'Progressing' });
      expect(status.step?.current).to.equal(1);
      expect(status.incidents).to.equal(undefined);
      expect(await stage.weights()).to.deep.equal([80, 20]);
    },
  );

  beside(
    'scenario 24: brings stable back in one write when the bake breaches',
    async ({ stage, begin, roll, report }) => {
      const change = {
        canary: { steps: [{ weight: 20, hold: '2s' }], bake: '1h', drainDelay: '1s' },
      };
      const { stable } = await begin(change);
      const before = (await stage.pods()).map(({ metadata }) => metadata.uid);
      const status = await roll('v2', healthy, change);
      const baking = await stage.phase('Baking');
      expect(baking.canary?.weight).to.equal(100);
      expect(baking.stable?.available).to.equal(2);
      // At 100 % an HPA counts the new revision alone, whose pods carry all of the load.
      expect(await stage.scale()).to.deep.include({
        status: countedAs(2, baking.canary?.revision),
      });
      const written = stage.writtenWeights().length;
      report(status, failing);
      const rolledBack = await stage.phase('RolledBack');
      expect(stage.writtenWeights().slice(written)).to.deep.equal([0]);
      expect(rolledBack.stable?.revision).to.equal(stable?.revision);
      const left = (await stage.pods(stable?.revision)).map(({ metadata }) => metadata.uid);
      expect(left).to.have.members(before);
    },
  );

  beside(
    'goes back to stable before a newer template begins in the bake',
    async ({ stage, begin, roll }) => {
      const change = {
        canary: { steps: [{ weight: 20, hold: '2s' }], bake: '1h', drainDelay: '1s' },
      };
      const { stable } = await begin(change);
      const { canary } = await roll('v2', healthy, change);
      await stage.phase('Baking');
      await stage.apply(stage.template('v3'), change);
      const next = await stage.status('v3 in traffic', (status) => {
        const isNew = status.canary?.revision !== canary?.revision;
        return isNew && status.canary?.weight === 20 && status.step?.startedAt !== undefined;
      });
      expect(next.phase).to.equal('Progressing');
      expect(next.stable?.revision).to.equal(stable?.revision);
      expect(next.rejected).to.equal(undefined);
      expect(stage.weightChanges()).to.deep.equal([0, 20, 100, 0, 20]);
      await waitFor('the pods of v2 gone', async () => {
        return (await stage.pods(canary?.revision)).length === 0;
      });
    },
  );

  beside(
    'puts weights back that another writer changed, and names who it was',
    async ({ stage, begin, roll }) => {
      const change = steps({ weight: 20, hold: '1h' });
      await begin(change);
      await roll('v2', healthy, change);
      const rules = '/spec/rules/0/backendRefs';
      for (const [stableWeight, canaryWeight] of [
        [10, 90],
        [100, 0],
      ]) {
        const told = putBack(stage).length;
        await stage.cluster.kubectl([
          'patch',
          'httproute',
          app,
          `--namespace=${stage.namespace}`,
          '--field-manager=somebody',
          '--type=json',
          `--patch=${JSON.stringify([
            { op: 'replace', path: `${rules}/0/weight`, value: stableWeight },
            { op: 'replace', path: `${rules}/1/weight`, value: canaryWeight },
          ])}`,
        ]);
        await waitFor('the weights back', async () => {
          return putBack(stage).length > told && (await stage.weights()).toString() === '80,20';
        });
      }
      for (const line of putBack(stage)) expect(line).to.include({ reason: 'WeightsOverwritten' });
      expect(stage.weightChanges()).to.deep.equal([0, 20, 90, 20, 0, 20]);
      const { status } = await stage.read();
      expect(status?.phase).to.equal('Progressing');
      expect(status?.incidents).to.equal(undefined);
    },
  );

  beside(
    'skips the holds that are left when a person promotes, and not the bake',
    async ({ stage, begin, roll }) => {
      const change = {
        canary: {
          steps: [
            { weight: 20, hold: '1h' },
            { weight: 50, hold: '1h' },
          ],
          bake: '3s',
          drainDelay: '1s',
        },
      };
      await begin(change);
      const { canary } = await roll('v2', healthy, change);
      await stage.act('promote/now');
      await stage.phase('Baking');
      const status = await stage.status('v2 stable', ({ phase, stable }) => {
        return phase === 'Stable' && stable?.revision === canary?.revision;
      });
      expect(status.lastActions?.[0]).to.include({ id: 'now', action: 'promote', result: 'Done' });
      expect(stage.weightChanges()).to.deep.equal([0, 20, 100, 0]);
    },
  );

  beside(
    'brings the revision before back when a person regrets a promotion',
    async ({ stage, begin, roll }) => {
      const change = {
        canary: { steps: [{ weight: 20, hold: '1s' }], bake: '1s', drainDelay: '1s' },
      };
      const first = await begin(change);
      await roll('v2', healthy, change);
      const second = await stage.status('v2 stable', ({ phase, stable }) => {
        return phase === 'Stable' && stable?.revision !== first.stable?.revision;
      });
      await waitFor('the pods of v1 gone', async () => (await stage.pods()).length === 2);
      expect(await stage.scale()).to.deep.include({
        status: countedAs(2, second.stable?.revision),
      });
      await stage.act('rollback/regret');
      const back = await stage.phase('RolledBack');
      expect(back.stable?.revision).to.equal(first.stable?.revision);
      expect(back.rejected?.[0]?.revision).to.equal(second.stable?.revision);
      expect(back.incidents?.[0]).to.include({ alert: 'MANUAL_ROLLBACK' });
      const selected = await stage.cluster.kubectl([
        'get',
        'service',
        `${app}-stable`,
        '-n',
        stage.namespace,
        '-o',
        'jsonpath={.spec.selector.pod-template-hash}',
      ]);
      expect(selected).to.equal(first.stable?.revision);
      await waitFor('the pods of v2 gone', async () => {
        return (await stage.pods(second.stable?.revision)).length === 0;
      });
    },
  );

  beside(
    'scenario 25: keeps the shares when a person scales, and the pods follow',
    async ({ stage, begin, roll }) => {
      const change = steps({ weight: 20, hold: '1h' });
      await begin(change);
      const status = await roll('v2', healthy, change);
      await stage.cluster.kubectl([
        'scale',
        `x0tta/${app}`,
        '--replicas=10',
        '-n',
        stage.namespace,
      ]);
      await stage.status('the pods of ten', ({ canary, stable }) => {
        return canary?.available === 2 && stable?.available === 10;
      });
      expect(await stage.weights()).to.deep.equal([80, 20]);
      const scaled = await stage.read();
      expect(scaled.status).to.include({ phase: 'Progressing', replicas: 12 });
      expect(scaled.status?.canary?.revision).to.equal(status.canary?.revision);
      expect(scaled.status?.attempt).to.equal(1);
    },
  );

  beside(
    'scenario 28: observes: the steps go on, and a verdict is written down alone',
    async ({ stage, begin, roll }) => {
      const list = [
        { weight: 20, hold: '8s' },
        { weight: 50, hold: '1h' },
      ];
      const change = { canary: { steps: list, mode: 'Observe', drainDelay: '1s' } };
      await begin(change);
      await roll('v2', failing, change);
      const observed = await stage.status(
        'the incident',
        ({ incidents }) => incidents?.length === 1,
      );
      expect(observed.incidents?.[0]?.summary).to.match(/^Observed only, nothing was done/);
      const next = await stage.status('the next step', ({ canary }) => canary?.weight === 50);
      expect(next.phase).to.equal('Progressing');
      expect(next.rejected).to.equal(undefined);
      expect(next.incidents).to.have.lengthOf(1);
      const verdicts = stage.writes().flatMap(({ objectRef, responseObject }) => {
        const metadata = (responseObject as { metadata?: { annotations?: Record<string, string> } })
          .metadata;
        const isRoute = objectRef.resource === 'httproutes';
        return isRoute ? (metadata?.annotations?.['x0tta.io/verdict'] ?? []) : [];
      });
      expect(new Set(verdicts)).to.deep.equal(new Set(['none']));
    },
  );

  beside('pauses where it is and goes on when it is told to', async ({ stage, begin, report }) => {
    const change = steps({ weight: 20, hold: '2s' }, { weight: 50, hold: '1h' });
    await begin(change);
    await stage.act('pause/wait');
    await stage.status('the pause answered', ({ lastActions }) => lastActions?.[0]?.id === 'wait');
    await stage.apply(stage.template('v2'), change);
    await stage.phase('Paused');
    expect(await stage.replicaSets()).to.have.lengthOf(1);
    await stage.act('resume/go');
    const status = await stage.status('the first step', ({ canary }) => canary?.weight === 20);
    report(status, healthy);
    await stage.status('the second step', ({ canary }) => canary?.weight === 50);
  });
});
