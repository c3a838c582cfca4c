// What an operator leaves behind: no write in a minute at rest, whatever its objects are at, and
// after thirty rollbacks no more memory, sockets and timers than after the first ones.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { newEntries } from '../auditLog.ts';
import { operatorAccount, startOperator } from '../operator.ts';
import type { OperatorHandle } from '../operator.ts';
import { startPodSetter } from '../pods.ts';
import type { PodSetter } from '../pods.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { acceptRoutes } from './acceptRoutes.ts';
import type { RouteAcceptor } from './acceptRoutes.ts';
import { healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus, Report, Reporter } from './fakePrometheus.ts';
import { Stage } from './stage.ts';

const longStep = { canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' } };
/** By a query that no series answers, which a new process knows once it has asked. */
const unmatchedSignal = {
  name: 'queue',
  unit: 'count',
  query: 'sum by (namespace, replicaset) (no_such_metric)',
  critical: { above: '1' },
};
const operatorUser = `system:serviceaccount:${operatorAccount.replace('/', ':')}`;

/**
 * Every value differs from second to second and from that of the last change of a level, for longer
 * than a test takes; none leaves its level.
 */
function restless(timeMs: number): Report {
  const part = (Math.floor(timeMs / 1000) % 300) / 300;
  return {
    errorRatio: 0.001 + 0.008 * part,
    requestsPerSecond: 100 + part,
    slowRatio: 0.04 * part,
  };
}

interface Left {
  readonly heapUsed: number;
  readonly sockets: number;
  readonly timers: number;
}

describe('an operator', function () {
  this.timeout(300_000);
  let pods: PodSetter;
  let routes: RouteAcceptor;
  let metrics: FakePrometheus;
  let operator: OperatorHandle | undefined;
  let stages: Stage[];

  before(async () => {
    const cluster = await sharedCluster('control-plane');
    pods = await startPodSetter(cluster);
    routes = acceptRoutes(cluster);
    metrics = await startFakePrometheus();
  });

  beforeEach(() => {
    stages = [];
  });

  afterEach(async () => {
    for (const stage of stages) await stage.close();
    await operator?.stop();
  });

  after(async () => {
    await metrics.close();
    await routes.stop();
    await pods.stop();
  });

  const open = async (name: string): Promise<Stage> => {
    const stage = await Stage.open(await sharedCluster('control-plane'), name);
    stage.metricsUrl = metrics.url;
    stages.push(stage);
    return stage;
  };

  const canaryOf = async (stage: Stage, version: string, reporter: Reporter): Promise<void> => {
    const before = (await stage.read()).status?.canary?.revision;
    await stage.apply(stage.template(version), longStep);
    const { canary } = await stage.status('the canary in traffic', ({ canary: now, step }) => {
      return now?.revision !== before && now?.weight === 20 && step?.startedAt !== undefined;
    });
    metrics.reports.set(`${stage.namespace}/${canary?.replicaSet}`, reporter);
  };

  const crash = async (stage: Stage): Promise<void> => {
    await stage.breakCanary();
    await stage.phase('RolledBack');
    await waitFor('the canary gone', async () => (await stage.pods()).length === 2);
  };

  it('writes nothing in a minute, whatever its objects are at, nor as it starts', async () => {
    const resting = await open('rest');
    const holding = await open('hold');
    const rolledBack = await open('back');
    const unmatched = await open('unmatched');
    operator = await resting.startOperator();
    for (const stage of stages) await stage.applyAll(stage.template('v1'), longStep);
    for (const stage of stages) await stage.phase('Stable');
    await unmatched.apply(unmatched.template('v1'), { ...longStep, signals: [unmatchedSignal] });
    await unmatched.status('a query that matches nothing', ({ conditions }) => {
      return conditions?.some(({ reason }) => reason === 'QueryEmpty') ?? false;
    });
    await canaryOf(holding, 'v2', restless);
    await canaryOf(rolledBack, 'v2', healthy);
    await crash(rolledBack);
    const own = stages.map(({ namespace }) => namespace);
    const read = newEntries(resting.cluster);
    // Of anybody's writes those to the objects, of the operator's all but its Lease. Only the new
    // ones are read: the metric server is of this process, and would not answer for a second.
    const newWrites = (): readonly string[] =>
      read()
        .filter(({ user, objectRef: { namespace = '', resource } }) => {
          const isOperators = user.username === operatorUser && resource !== 'leases';
          return isOperators || own.includes(namespace);
        })
        .map(({ objectRef, verb, user, requestObject }) => {
          const { namespace, resource, name, subresource = '' } = objectRef;
          const what = `${resource} ${namespace}/${name} ${subresource}`;
          return `${user.username}: ${verb} ${what} ${JSON.stringify(requestObject)}`;
        });
    await waitFor('the last write', async () => {
      await delay(3_000);
      return newWrites().length === 0;
    });
    const asked = metrics.answered.length;
    await delay(60_000);
    expect(newWrites()).to.deep.equal([]);
    expect(metrics.answered.length, 'it looked all the time').to.be.above(asked + 60);
    operator = await operator.restart();
    const restarted = metrics.answered.length;
    await waitFor('ten seconds of looks', () => metrics.answered.length > restarted + 60);
    expect(newWrites(), 'a restart writes nothing').to.deep.equal([]);
  });

  it('keeps no memory, socket or timer of thirty rollbacks', async () => {
    const stage = await open('thirty');
    const folder = mkdtempSync(join(stage.cluster.folder, 'left-'));
    const file = join(folder, 'left.json');
    const hook = join(import.meta.dirname, 'collectOnSignal.ts');
    const running = await startOperator(stage.cluster, {
      configYaml: `servers: [{name: main, url: '${metrics.url}', scrapeInterval: 1s}]`,
      env: { NODE_OPTIONS: `--import=${hook}`, X0TTA_LEFT: file },
    });
    operator = running;
    const left = async (): Promise<Left> => {
      rmSync(file, { force: true });
      running.kill('SIGUSR2');
      return waitFor('what is left', () => JSON.parse(readFileSync(file, 'utf8')) as Left);
    };
    await stage.applyAll(stage.template('v1'), longStep);
    await stage.phase('Stable');
    const rollBack = async (version: number): Promise<void> => {
      await canaryOf(stage, `v${version}`, healthy);
      await crash(stage);
      metrics.reports.clear();
    };
    // What is kept on purpose (history, incidents, rejected revisions) is full after these.
    for (let version = 2; version <= 14; version++) await rollBack(version);
    const before = await left();
    for (let version = 15; version <= 44; version++) await rollBack(version);
    const after = await left();
    expect(after.heapUsed).to.be.below(before.heapUsed * 1.1);
    expect(after.sockets).to.be.at.most(before.sockets + 3);
    expect(after.timers).to.be.at.most(before.timers + 3);
    rmSync(folder, { recursive: true });
  });
});
