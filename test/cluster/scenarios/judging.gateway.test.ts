// Scenarios 3, 5, 8, 9 and 12 of docs/scenarios.md: real pods behind a real gateway under load, and
// the operator judges what a real Prometheus scraped.
import { expect } from 'chai';
import type { Load } from '../load/generator.ts';
import type { LoadReport } from '../load/report.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { Stage } from './stage.ts';

const bad = { ERROR_RATIO: '0.3' };
/** A step that outlasts every breach of these scenarios. */
const longStep = { canary: { steps: [{ weight: 20, hold: '2m' }], drainDelay: '2s' } };

describe('judging real traffic', function () {
  this.timeout(240_000);
  let stage: Stage;
  let operator: OperatorHandle;
  let load: Load;

  /** Takes half a minute in which nothing happens, so it begins before the other tests. */
  let unpullable: Stage;
  let unpulled: Promise<LoadReport>;

  before(async () => {
    stage = await Stage.open(await sharedCluster('gateway'), 'judging');
    operator = await stage.startOperator();
    unpullable = await Stage.open(stage.cluster, 'unpullable');
    unpulled = rollOutUnpullable(unpullable);
    // Its own test tells how it failed.
    unpulled.catch(() => undefined);
  });

  beforeEach(async () => {
    stage = await Stage.open(stage.cluster, 'judging');
    await stage.applyAll(stage.template('v1'), longStep);
    await stage.phase('Stable');
    load = await stage.startLoad(100);
  });

  afterEach(async () => {
    await load.stop();
    await stage.close();
  });

  after(async () => {
    await unpullable.close();
    await operator.stop();
  });

  const roll = async (
    version: string,
    env: Readonly<Record<string, string>> = {},
    change: object = longStep,
  ): Promise<void> => {
    await stage.apply(stage.template(version, env), { ...change });
  };

  it('scenario 3: takes the traffic back once errors have held, and says why', async () => {
    const stable = (await stage.pods()).map(({ metadata }) => metadata.uid);
    await roll('v2', bad);
    const status = await stage.phase('RolledBack');
    const incident = status.incidents?.[0];
    expect(incident).to.include({
      alert: 'HIGH_ERROR_RATE',
      severity: 'Critical',
      signal: 'errorRate',
      limit: '> 10% for 6s',
      revision: status.rejected?.[0]?.revision,
    });
    expect(parseFloat(incident?.value ?? '')).to.be.within(25, 35);
    expect(incident?.heldFor).to.match(/^[6-9]s$/);
    expect(incident?.query).to.include('http_requests_total');
    expect(incident?.evidence).to.have.lengthOf.at.least(5);
    expect(incident?.trafficRestoredAt).to.be.a('string');
    expect(incident?.resolvedAt).to.be.a('string');
    expect(incident?.actions).to.have.lengthOf.at.least(1);
    expect(await stage.weights()).to.deep.equal([100, 0]);
    expect(stage.writtenWeights().at(-1)).to.equal(0);
    const rolledBack = status.conditions?.find(({ type }) => type === 'RolledBack');
    expect(rolledBack).to.include({ status: 'True' });
    await waitFor('the canary gone', async () => (await stage.pods()).length === stable.length);
    const left = await stage.pods();
    expect(left.map(({ metadata }) => metadata.uid)).to.have.members(stable);
    const settled = await stage.phase('RolledBack');
    expect(settled.canary?.replicas ?? 0).to.equal(0);
  });

  it('promotes a canary that stays healthy through every step', async () => {
    const before = await stage.phase('Stable');
    const steps = [
      { weight: 20, hold: '3s' },
      { weight: 50, hold: '3s' },
    ];
    await roll('v2', {}, { canary: { steps, drainDelay: '2s' } });
    const status = await stage.status('the new revision stable', ({ phase, stable }) => {
      return phase === 'Stable' && stable?.revision !== before.stable?.revision;
    });
    const weights = stage.writtenWeights();
    expect(weights.filter((weight, i) => weight !== weights[i - 1])).to.deep.equal([
      0, 20, 50, 100, 0,
    ]);
    expect(status.incidents).to.equal(undefined);
    expect(await stage.weights()).to.deep.equal([100, 0]);
    await waitFor('the old pods gone', async () => {
      return (await stage.pods(before.stable?.revision)).length === 0;
    });
    const { versions } = await load.stop();
    for (const { failures, byStatus } of Object.values(versions)) {
      expect(failures).to.deep.equal({});
      expect(Object.keys(byStatus)).to.deep.equal(['200']);
    }
    expect(Object.keys(versions)).to.have.members(['v1', 'v2']);
  });

  it('scenario 9: gives an image that cannot be pulled no traffic and names it', async () => {
    const report = await unpulled;
    const { incidents } = await unpullable.phase('RolledBack');
    const [incident] = incidents ?? [];
    expect(incidents).to.have.lengthOf(1);
    expect(incident).to.include({
      alert: 'SERVICE_DOWN',
      signal: 'pods',
      limit: 'an image that can be pulled within 30s',
    });
    expect(incident?.value).to.match(/: (ErrImagePull|ImagePullBackOff): .*127\.0\.0\.1:9\/none/s);
    const { startedAt = '', detectedAt = '' } = incident ?? {};
    // A look may be late by what a busy machine costs it.
    expect(Date.parse(detectedAt) - Date.parse(startedAt)).to.be.within(30_000, 40_000);
    expect(unpullable.weightChanges(), 'the weights of the canary').to.deep.equal([0]);
    expect(await unpullable.weights()).to.deep.equal([100, 0]);
    expect(Object.keys(report.versions['v1']?.byStatus ?? {})).to.deep.equal(['200']);
  });

  it('takes the traffic back from a canary that is slow', async () => {
    await roll('v2', { LATENCY_MS: '800' });
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]).to.include({ alert: 'HIGH_LATENCY', signal: 'latencyP95' });
    expect(await stage.weights()).to.deep.equal([100, 0]);
  });

  it('takes the traffic back on a query of the user', async () => {
    const rate = 'rate(pqc_handshake_failure_total[4s])';
    const query = `sum by (namespace, replicaset) (
      label_replace(${rate}, "replicaset", "$1", "pod", "(.+)-[^-]{5}"))`;
    const rollback = { above: '1', for: '6s' };
    const [critical, many] = [{ above: '100000' }, { above: '100000', for: '1m' }];
    const signals = [
      { name: 'handshakeFailures', unit: 'perSecond', query, rollback },
      // The runbook's own count of them would be faster.
      { name: 'pqcHandshakeFailures', critical, rollback: many },
    ];
    await roll('v2', { PQC_FAILURES_PER_SECOND: '3' }, { ...longStep, signals });
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]).to.include({
      alert: 'HANDSHAKE_FAILURES',
      signal: 'handshakeFailures',
      query,
    });
    expect(parseFloat(incidents?.[0]?.value ?? '')).to.be.within(2, 4);
  });

  it('says at once that a query can’t be parsed, or matches nothing, with its text', async () => {
    const critical = { above: '1' };
    const signalsWith = (query: string): object[] => [
      { name: 'queue', unit: 'count', query, critical },
    ];
    await stage.apply(stage.template('v1'), { ...longStep, signals: signalsWith('sum(rate(') });
    const invalid = await stage.phase('Invalid');
    const stalled = invalid.conditions?.find(({ type }) => type === 'Stalled');
    expect(stalled?.reason).to.equal('InvalidQuery');
    expect(stalled?.message).to.match(/parse error.* The query is: sum\(rate\($/s);
    const nothing = 'sum by (namespace, replicaset) (no_such_metric)';
    await stage.apply(stage.template('v1'), { ...longStep, signals: signalsWith(nothing) });
    const empty = await stage.status('the empty query', ({ conditions }) => {
      return conditions?.some(({ reason }) => reason === 'QueryEmpty') ?? false;
    });
    expect(empty.phase).to.equal('Stable');
    const evidence = empty.conditions?.find(({ type }) => type === 'EvidenceAvailable');
    expect(evidence?.message).to.include(nothing);
  });

  it('takes the traffic back from a canary whose handshakes fail', async () => {
    await roll('v2', { PQC_FAILURES_PER_SECOND: '1' });
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]).to.include({
      alert: 'PQC_HANDSHAKE_FAILURE',
      signal: 'pqcHandshakeFailures',
      limit: '> 2 within 1m',
    });
    expect(incidents?.[0]?.summary).to.match(/ was \d+, beyond > 2 within 1m: counted since /);
  });

  it('takes the traffic back at once from a canary that fell back', async () => {
    await roll('v2', { PQC_FALLBACK: 'true' });
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]).to.include({ signal: 'pqcFallback', heldFor: '0s' });
  });

  it('takes the traffic back from a canary that holds too much memory', async () => {
    const memory = { name: 'memory', rollback: { above: '120M', for: '6s' } };
    const availability = { name: 'availability', rollback: { below: '0.01%', for: '6s' } };
    const change = { ...longStep, signals: [memory, availability] };
    await roll('v2', { MEMORY_MB_PER_SECOND: '30', MEMORY_MAX_MB: '90' }, change);
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]).to.include({ alert: 'MEMORY_EXHAUSTION', signal: 'memory' });
  });

  it('scenario 5: forgives a breach that is over before its hold', async () => {
    await roll('v2', { ...bad, ERROR_AFTER_SECONDS: '8', ERROR_FOR_SECONDS: '3' });
    const breached = await stage.status('a level above warning', ({ signals }) => {
      const level = signals?.find(({ name }) => name === 'errorRate')?.level;
      return level === 'Critical' || level === 'Breach';
    });
    expect(breached.phase).to.equal('Progressing');
    const cleared = await stage.status('the level cleared', ({ signals }) => {
      return signals?.find(({ name }) => name === 'errorRate')?.level === 'Normal';
    });
    expect(cleared.phase).to.equal('Progressing');
    expect(cleared.canary?.weight).to.equal(20);
    expect(cleared.incidents).to.equal(undefined);
  });

  it('scenario 8: takes the weight from a canary before the next one gets any', async () => {
    await roll('v2');
    const first = await stage.status('v2 in traffic', ({ canary, step }) => {
      return canary?.weight === 20 && step?.startedAt !== undefined;
    });
    await roll('v3');
    const second = await stage.status('v3 in traffic', ({ canary, step }) => {
      const isNew = canary?.revision !== first.canary?.revision;
      return isNew && canary?.weight === 20 && step?.startedAt !== undefined;
    });
    expect(stage.writtenWeights().filter((weight, i, all) => weight !== all[i - 1])).to.deep.equal([
      0, 20, 0, 20,
    ]);
    expect(Date.parse(second.step?.startedAt ?? '')).to.be.above(
      Date.parse(first.step?.startedAt ?? ''),
    );
    expect(second.rejected).to.equal(undefined);
  });

  it('scenario 12: leaves a rejected revision alone until a retry is ordered', async () => {
    await roll('v2', bad);
    const rejected = await stage.phase('RolledBack');
    const writes = stage.writtenWeights().length;
    const { metadata } = await stage.read();
    await roll('v2', bad);
    await stage.cluster.kubectl([
      'annotate',
      'x0tta',
      metadata.name,
      '-n',
      metadata.namespace,
      'example.com/synced=again',
    ]);
    // A generation of its own, by which the status tells that it was looked at.
    await roll('v2', bad, { ...longStep, revisionHistoryLimit: 7 });
    const still = await stage.phase('RolledBack');
    expect(still.rejected).to.deep.equal(rejected.rejected);
    expect(stage.writtenWeights()).to.have.lengthOf(writes);
    await stage.act('retry/again');
    const again = await stage.status('the second attempt in traffic', ({ attempt, canary }) => {
      return attempt === 2 && canary?.weight === 20;
    });
    expect(again.lastActions?.at(-1)).to.include({ id: 'again', action: 'retry', result: 'Done' });
    const second = await stage.phase('RolledBack');
    expect(second.incidents?.map(({ id }) => id.at(-1))).to.have.members(['1', '2']);
  });
});

/** Until a canary is rolled back whose image cannot be pulled; what stable answered meanwhile. */
async function rollOutUnpullable(stage: Stage): Promise<LoadReport> {
  await stage.applyAll(stage.template('v1'), longStep);
  await stage.phase('Stable');
  const load = await stage.startLoad(20);
  const template = structuredClone(stage.template('v2')) as {
    spec: { containers: { image: string; imagePullPolicy?: string }[] };
  };
  for (const container of template.spec.containers) {
    container.image = '127.0.0.1:9/none:1';
    container.imagePullPolicy = 'IfNotPresent';
  }
  try {
    // Ten times what the verdict needs: it must not be the deadline that ends the canary.
    await stage.apply(template, { ...longStep, progressDeadlineSeconds: 300 });
    await stage.phase('RolledBack');
  } finally {
    await load.stop();
  }
  return load.done;
}
