// More on scenarios 14 and 15 of docs/scenarios.md: a metric server in trouble neither passes nor
// blames a canary however often it is asked, whether that would be sound or failing. Each trouble
// has a server and a canary of its own.
import { expect } from 'chai';
import type { SignalStatus, Status } from '../../../src/api/schema.ts';
import { startOperator } from '../operator.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { besideOneAnother } from './beside.ts';
import { failing, healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus, Misbehaviour, Reporter } from './fakePrometheus.ts';
import { Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

/** By the name of the server: what it does, and what the status says of the error rate. */
const troubles: Readonly<Record<string, readonly [Misbehaviour | 'refused', string]>> = {
  refused: ['refused', 'Refused'],
  slow: ['slow', 'TimedOut'],
  'client-error': ['client error', 'ClientError'],
  'server-error': ['server error', 'ServerError'],
  truncated: ['truncated', 'Truncated'],
  'no-json': ['no JSON', 'Malformed'],
  nan: ['NaN', 'NotANumber'],
  infinite: ['+Inf', 'Infinite'],
  empty: ['empty', 'Empty'],
  stale: ['stale', 'Stale'],
  partial: ['partial', 'Partial'],
  'too-many-series': ['too many series', 'TooManySeries'],
};
const sound = 'sound';
const idle = 'idle';
const steps = [
  { weight: 20, hold: '2s' },
  { weight: 50, hold: '1h' },
];
/** Queries that a canary's looks at its hold need, several times over. */
const manyQueries = 100;

describe('evidence', function () {
  this.timeout(180_000);
  const servers = new Map<string, FakePrometheus>();
  let standIns: StandIns;
  let operator: OperatorHandle;
  const beside = besideOneAnother<Stage>(async (test) => {
    const stage = await Stage.open(await sharedCluster('control-plane'), 'evidence');
    try {
      await test(stage);
    } finally {
      await stage.close();
    }
  });

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    for (const name of [sound, idle, ...Object.keys(troubles)]) {
      servers.set(name, await startFakePrometheus());
    }
    const settings = { scrapeInterval: '1s', lag: '1s', timeout: '1s' };
    const list = [...servers].map(([name, { url }]) => ({ name, url, ...settings }));
    // JSON is YAML.
    const configYaml = JSON.stringify({ servers: list, defaultServer: sound, pollInterval: '1s' });
    operator = await startOperator(cluster, { configYaml });
  });

  after(async () => {
    await operator.stop();
    for (const server of servers.values()) await server.close();
    await standIns.stop();
  });

  const serverOf = (name: string): FakePrometheus => {
    const server = servers.get(name);
    if (server === undefined) throw new Error(`no server ${name}`);
    return server;
  };

  /** Brings a canary to its first weight; what it returns tells the server how the canary does. */
  const canaryOn = async (name: string, stage: Stage): Promise<(reporter: Reporter) => void> => {
    const change = { canary: { steps, drainDelay: '0s' }, prometheus: { server: name } };
    await stage.applyAll(stage.template('v1'), change);
    await stage.phase('Stable');
    await stage.apply(stage.template('v2'), change);
    const { canary } = await stage.canaryAt(20);
    const key = `${stage.namespace}/${canary?.replicaSet}`;
    return (reporter) => void serverOf(name).reports.set(key, reporter);
  };

  const queriesTo = (name: string): Promise<number> =>
    operator.sumOf('x0tta_metric_queries_total', `server="${name}"`);

  const manyLooksAt = async (name: string): Promise<void> => {
    const before = await queriesTo(name);
    await waitFor(`${manyQueries} queries to server ${name}`, async () => {
      return (await queriesTo(name)) >= before + manyQueries;
    });
  };

  const errorRate = ({ signals }: Status): SignalStatus | undefined =>
    signals?.find((signal) => signal.name === 'errorRate');

  const verdictIs = (stage: Stage, verdict: string): Promise<Status> =>
    stage.status(`the verdict ${verdict}`, (status) => errorRate(status)?.verdict === verdict);

  const expectHeldAtFirstStep = async (stage: Stage): Promise<void> => {
    const { status } = await stage.read();
    expect(status?.phase).to.equal('Progressing');
    expect(status?.step?.current).to.equal(1);
    expect(status?.incidents).to.equal(undefined);
    expect(status?.rejected).to.equal(undefined);
    expect(stage.weightChanges()).to.deep.equal([0, 20]);
  };

  beside('that is sound passes, and blames', async (stage) => {
    const report = await canaryOn(sound, stage);
    report(healthy);
    await stage.canaryAt(50);
    report(failing);
    const { incidents } = await stage.phase('RolledBack');
    expect(incidents?.[0]?.alert).to.equal('HIGH_ERROR_RATE');
  });

  beside(
    'of no traffic neither passes nor blames, and passes once there is some',
    async (stage) => {
      const report = await canaryOn(idle, stage);
      report(() => ({ requestsPerSecond: 0, errorRatio: 0 }));
      const waiting = await stage.status('too few requests', ({ conditions }) => {
        return conditions?.some(({ reason }) => reason === 'TooFewRequests') ?? false;
      });
      expect(errorRate(waiting)).to.include({ level: 'Unknown', verdict: 'TooFewRequests' });
      await manyLooksAt(idle);
      await expectHeldAtFirstStep(stage);
      // A request in some windows, and it failed: no share of it is a proof.
      report(() => ({ requestsPerSecond: 0.2, errorRatio: 1 }));
      await manyLooksAt(idle);
      await expectHeldAtFirstStep(stage);
      report(healthy);
      await stage.canaryAt(50);
    },
  );

  for (const [name, [trouble, verdict]] of Object.entries(troubles)) {
    beside(`of a server in trouble (${name}) neither passes nor blames`, async (stage) => {
      const server = serverOf(name);
      if (trouble === 'refused') await server.listen(false);
      else server.misbehave(trouble);
      const report = await canaryOn(name, stage);
      report(healthy);
      const status = await verdictIs(stage, verdict);
      expect(errorRate(status)?.level).to.equal('Unknown');
      const evidence = status.conditions?.find(({ type }) => type === 'EvidenceAvailable');
      expect(evidence).to.include({ status: 'False', reason: 'EvidenceMissing' });
      await manyLooksAt(name);
      await expectHeldAtFirstStep(stage);
      report(failing);
      await manyLooksAt(name);
      await expectHeldAtFirstStep(stage);
      await verdictIs(stage, verdict);
      if (trouble === 'refused') await server.listen(true);
      else server.misbehave(null);
      const { incidents } = await stage.phase('RolledBack');
      expect(incidents?.[0]?.alert).to.equal('HIGH_ERROR_RATE');
    });
  }
});
