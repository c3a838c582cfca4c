// The chart's RBAC against what the operator asks the API server for, reads included: each right is
// used, none is missing, and neither is a write that the admission policy refuses.
import { expect } from 'chai';
import {
  auditedAccount,
  auditedNamespace,
  granted,
  installAudited,
  ofAccount,
  refused,
  renderChart,
  used,
} from './audited.ts';
import type { AuditedChart, ChartObject } from './audited.ts';
import { newEntries } from './auditLog.ts';
import type { Cluster } from './cluster.ts';
import { freshNamespace } from './namespace.ts';
import { startOperator } from './operator.ts';
import type { OperatorHandle } from './operator.ts';
import { startFakePrometheus } from './scenarios/fakePrometheus.ts';
import type { FakePrometheus } from './scenarios/fakePrometheus.ts';
import { Stage } from './scenarios/stage.ts';
import { startStandIns } from './scenarios/standIns.ts';
import type { StandIns } from './scenarios/standIns.ts';
import { liveThrough } from './scenarios/wholeLife.ts';
import { sharedCluster } from './shared.ts';

/** Granted and not seen in the audit log. */
const unseen = [
  // Asked for by the admission plugin OwnerReferencesPermissionEnforcement, where a cluster has it:
  // our owner references block the deletion of their owner.
  'x0tta.io/x0ttadeployments/finalizers: update',
];

describe('the RBAC of the chart', function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let standIns: StandIns;
  let metrics: FakePrometheus;
  let chart: AuditedChart | undefined;

  before(async () => {
    cluster = await sharedCluster('control-plane');
    standIns = await startStandIns(cluster);
    metrics = await startFakePrometheus();
  });

  afterEach(async () => {
    await chart?.uninstall();
  });

  after(async () => {
    await metrics.close();
    await standIns.stop();
  });

  const start = (apiUrl?: string): Promise<OperatorHandle> =>
    startOperator(cluster, {
      account: auditedAccount,
      configYaml: chart?.configYaml ?? '',
      args: [`--namespace=${auditedNamespace}`],
      ...(apiUrl === undefined ? {} : { apiUrl }),
    });

  it('grants what the operator uses in a whole life, and no more', async () => {
    chart = await installAudited(cluster, metrics.url, 'default');
    const read = newEntries(cluster, 'now');
    await liveThrough({ cluster, metrics, start });
    const requests = ofAccount(read());
    expect(refused(requests)).to.deep.equal([]);
    expect([...used(requests), ...unseen].toSorted()).to.deep.equal(granted(chart.objects));
  });

  it('grants the same in the namespaces that are watched, and nothing beside them', async () => {
    const stage = await Stage.open(cluster, 'watched');
    const watched = [stage.namespace, await freshNamespace(cluster, 'watched')];
    const values = [`watchNamespaces={${watched.join(',')}}`];
    chart = await installAudited(cluster, metrics.url, stage.namespace, values);
    const kindsOf = (objects: readonly ChartObject[], kind: string): readonly ChartObject[] =>
      objects.filter((object) => object.kind === kind);
    expect(kindsOf(chart.objects, 'ClusterRoleBinding')).to.deep.equal([]);
    expect(granted(chart.objects)).to.deep.equal(granted(await renderChart(cluster)));
    const read = newEntries(cluster, 'now');
    const operator = await start();
    try {
      const longStep = { canary: { steps: [{ weight: 20, hold: '1h' }], drainDelay: '0s' } };
      await stage.applyAll(stage.template('v1'), longStep);
      await stage.phase('Stable');
      await stage.apply(stage.template('v2'), longStep);
      await stage.canaryAt(20);
      await stage.breakCanary();
      await stage.phase('RolledBack');
      await stage.close();
    } finally {
      await operator.stop();
    }
    const requests = ofAccount(read());
    expect(refused(requests)).to.deep.equal([]);
    const asked = new Set(requests.map(({ objectRef }) => objectRef.namespace));
    expect([...asked]).to.have.members([...watched, auditedNamespace]);
  });
});
