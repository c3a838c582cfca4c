// A user's chart that holds the route, with Helm 4, which applies on the server's side without
// force: its upgrades meet no conflict at rest, and mid-canary what docs/gitops.md says.
import { join } from 'node:path';
import { expect } from 'chai';
import type { Cluster } from '../cluster.ts';
import { gatewayRef } from '../gateway.ts';
import type { Load } from '../load/generator.ts';
import { waitFor } from '../process.ts';
import { fieldOwners } from '../scenarios/fieldOwners.ts';
import { app, Stage } from '../scenarios/stage.ts';
import { sharedCluster } from '../shared.ts';
import { fastPrometheus, helmOf, installChart, uninstallChart } from './installation.ts';
import type { Helm } from './installation.ts';
import { badVersion, isRolledBack, longStep } from './rollouts.ts';

const userChart = join(import.meta.dirname, 'userChart');

describe("a user's chart that holds the route", function () {
  this.timeout(240_000);
  let cluster: Cluster;
  let helm: Helm;
  let stage: Stage;
  let load: Load;

  before(async () => {
    cluster = await sharedCluster('gateway');
    helm = helmOf(cluster, 'helm');
    await installChart(cluster, helm, ...fastPrometheus);
    stage = await Stage.open(cluster, 'user-chart');
    await user('install', '/');
    await cluster.apply([stage.service(), stage.object(stage.template('v1'), longStep)]);
    await stage.phase('Stable');
    load = await stage.startLoad(60);
  });

  after(async () => {
    await load.stop();
    await stage.close();
    await uninstallChart(cluster, helm);
  });

  const user = (
    command: 'install' | 'upgrade',
    path: string,
    ...flags: string[]
  ): Promise<string> => {
    const { name, namespace } = gatewayRef;
    const values = [
      `--set=gateway.name=${name},gateway.namespace=${namespace}`,
      `--set=hostname=${stage.hostname},path=${path}`,
    ];
    return helm.run(command, 'shop', userChart, '-n', stage.namespace, ...values, ...flags);
  };

  const path = async (): Promise<unknown> => {
    interface Rule {
      readonly matches: readonly { readonly path: { readonly value: string } }[];
    }
    const { spec } = await stage.readRoute();
    return (spec.rules[0] as unknown as Rule).matches[0]?.path.value;
  };

  it('conflicts in the middle of a canary, which is told, and changes nothing', async () => {
    await stage.apply(badVersion(stage, 30), longStep);
    await stage.canaryAt(20);
    let refusal = '';
    await user('upgrade', '/middle').catch((error: unknown) => (refusal = String(error)));
    expect(refusal).to.include('conflict with "x0tta"');
    expect(await stage.weights()).to.deep.equal([80, 20]);
    expect(await path()).to.equal('/');
  });

  it('can be forced then: the weights of the chart are put right in the next pass', async () => {
    await user('upgrade', '/', '--force-conflicts');
    await waitFor('the weights', async () => (await stage.weights()).join() === '80,20');
    await isRolledBack(stage);
  });

  it('conflicts no more once the object is at rest', async () => {
    const isAlone = async (): Promise<boolean> => !(await fieldOwners(stage)).includes('x0tta');
    await waitFor(`${app} to hand its fields back`, isAlone);
    await user('upgrade', '/rest');
    expect(await path()).to.equal('/rest');
    expect(await stage.weights()).to.deep.equal([100, 0]);
    await user('upgrade', '/');
  });
});
