// The chart with the real Helm on a real cluster, as Pods under the restricted level: installed
// with its defaults, told where the metrics are, upgraded in the middle of a canary that is then
// rolled back, rolled back to the chart before, tested, and uninstalled.
import { expect } from 'chai';
import type { Cluster } from '../cluster.ts';
import { waitFor } from '../process.ts';
import { Stage } from '../scenarios/stage.ts';
import { sharedCluster } from '../shared.ts';
import {
  chart,
  fastPrometheus,
  helmOf,
  nextChart,
  operatorImage,
  operatorPods,
  restrictedNamespace,
  rolledOut,
  systemNamespace,
  uninstallChart,
} from './installation.ts';
import type { Helm } from './installation.ts';
import { badVersion, becomesStable, isRolledBack, longStep } from './rollouts.ts';

const release = ['x0tta', '-n', systemNamespace] as const;

interface ReleaseStatus {
  readonly version: number;
  readonly info: { readonly status: string; readonly notes: string };
}

for (const binary of ['helm', 'helm3'] as const) {
  describe(`the chart, with ${binary === 'helm' ? 'Helm 4' : 'Helm 3'}`, function () {
    this.timeout(240_000);
    let cluster: Cluster;
    let helm: Helm;
    let stage: Stage;

    before(async () => {
      cluster = await sharedCluster('gateway');
      helm = helmOf(cluster, binary);
      await operatorImage(cluster);
      await restrictedNamespace(cluster, systemNamespace);
    });

    after(async () => {
      await stage.close();
      await uninstallChart(cluster, helm);
    });

    const status = async (): Promise<ReleaseStatus> => {
      return JSON.parse(await helm.run('status', ...release, '-o', 'json')) as ReleaseStatus;
    };
    const crd = (): Promise<string> =>
      cluster.kubectl(['get', 'crd', 'x0ttadeployments.x0tta.io', '-o', 'yaml']);
    const podNames = async (): Promise<readonly string[]> =>
      (await operatorPods(cluster)).map(({ metadata }) => metadata.name);

    it('passes lint', async () => {
      expect(await helm.run('lint', '--strict', chart)).to.include('0 chart(s) failed');
    });

    it('is Ready with its defaults, under the restricted level', async () => {
      await helm.deploy('install', 'x0tta', chart, '-n', systemNamespace, '--create-namespace');
      await rolledOut(cluster);
      const pods = await operatorPods(cluster);
      expect(pods).to.have.lengthOf(2);
      const { digest } = await operatorImage(cluster);
      for (const { status: pod } of pods) {
        expect(pod.containerStatuses?.[0]?.imageID).to.include(digest);
        expect(pod.containerStatuses?.[0]?.restartCount).to.equal(0);
      }
    });

    it('says what to do next in commands that work as they stand', async () => {
      const { notes } = (await status()).info;
      expect(notes).to.include('--set prometheus.url=');
      const commands = notes.split('\n').filter((line) => line.startsWith('  kubectl '));
      expect(commands).to.have.lengthOf(2);
      for (const command of commands) {
        const [, ...args] = command.trim().split(' ');
        expect(await cluster.kubectl(args)).to.not.equal('');
      }
    });

    it('lets objects say which value is missing, as there is no metric server', async () => {
      stage = await Stage.open(cluster, 'chart');
      await stage.applyAll(stage.template('v1'), longStep);
      const { conditions } = await stage.status('the missing server', (seen) =>
        Boolean(seen.conditions?.some(({ reason }) => reason === 'UnknownServer')),
      );
      const stalled = conditions?.find(({ type }) => type === 'Stalled');
      expect(stalled).to.include({ status: 'True', reason: 'UnknownServer' });
      expect(stalled?.message).to.include('prometheus.url');
    });

    it('takes the metric server from a value, and brings new Pods for it', async () => {
      const before = await podNames();
      await helm.deploy('upgrade', 'x0tta', chart, '-n', systemNamespace, ...fastPrometheus);
      await rolledOut(cluster);
      expect(await podNames()).to.not.include.members(before);
      await becomesStable(stage);
    });

    it('is served by the API server apart from other accounts', async () => {
      const text = await cluster.client.text('/metrics');
      const labels = 'flow_schema="x0tta",priority_level="workload-high"';
      const metric = `apiserver_flowcontrol_dispatched_requests_total{${labels}} `;
      const line = text.split('\n').find((each) => each.startsWith(metric)) ?? 'no such line';
      expect(Number(line.slice(metric.length)), line).to.be.above(0);
    });

    // That the Pods judge is shown once: they are the same, whoever installed them.
    const judges = binary === 'helm';
    const title = `is upgraded in the middle of a canary${judges ? ', which is rolled back' : ''}`;
    it(title, async () => {
      const load = await stage.startLoad(60);
      try {
        const template = judges ? badVersion(stage, 30) : stage.template('v2');
        await stage.apply(template, longStep);
        const { canary, step } = await stage.canaryAt(20);
        const before = await podNames();
        const later = nextChart(cluster);
        await helm.deploy('upgrade', 'x0tta', later, '-n', systemNamespace, ...fastPrometheus);
        await rolledOut(cluster);
        expect(await podNames()).to.not.include.members(before);
        expect(await crd()).to.include('fromLater');
        const now = await stage.read();
        expect(now.status?.canary?.revision).to.equal(canary?.revision);
        expect(now.status?.step).to.include({ startedAt: step?.startedAt });
        if (!judges) return;
        await isRolledBack(stage);
        await stage.status('the canary drained', ({ canary: end }) => end?.replicas === 0);
      } finally {
        await load.stop();
      }
    });

    it('goes back to the chart before, and no object loses a field that this one has', async () => {
      const before = await stage.read();
      const pods = await podNames();
      await helm.run('rollback', ...release, '2');
      await rolledOut(cluster);
      expect(await podNames()).to.not.include.members(pods);
      expect(await crd()).to.not.include('fromLater');
      const after = await stage.read();
      expect(after.spec).to.deep.equal(before.spec);
      for (const field of ['incidents', 'rejected', 'stable', 'canary', 'phase'] as const) {
        expect(after.status?.[field], field).to.deep.equal(before.status?.[field]);
      }
      // Its Pods go on where the others stopped: the template that was rejected stays so.
      await stage.apply(stage.template('v3'), longStep);
      await stage.canaryAt(20);
    });

    it('passes its own test, under the names that the cluster resolves', async () => {
      const told = await helm.run('test', ...release, '--timeout', '90s');
      expect(told).to.match(/^TEST SUITE: +x0tta-test$/m);
      expect(told).to.match(/^Phase: +Succeeded$/m);
    });

    it('leaves CRD and objects when it is uninstalled, and takes them up again', async () => {
      const { uid } = (await stage.read()).metadata as { readonly uid?: string };
      await helm.run('uninstall', ...release, '--wait');
      await waitFor('its Pods to be gone', async () => (await operatorPods(cluster)).length === 0);
      expect((await stage.read()).metadata).to.include({ uid });
      await helm.deploy('install', 'x0tta', chart, '-n', systemNamespace, ...fastPrometheus);
      await rolledOut(cluster);
      await stage.act('rollback/again');
      await stage.phase('RolledBack');
    });
  });
}
