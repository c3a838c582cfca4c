// Rollouts whose evidence a test steers: an object with a namespace of its own, and what the metric
// server says of its canary.
import type { Status } from '../../../src/api/schema.ts';
import type { Cluster } from '../cluster.ts';
import type { FakePrometheus, Reporter } from './fakePrometheus.ts';
import { Stage } from './stage.ts';
import type { SpecChange } from './stage.ts';

export interface Rollout {
  readonly stage: Stage;
  /** Applies the first version. */
  readonly begin: (change: SpecChange) => Promise<Status>;
  /** Applies a template and reports for its revision from its first weight of 20 % on. */
  readonly roll: (version: string, reporter: Reporter, change: SpecChange) => Promise<Status>;
  /** Reports for the canary of a status from now on. */
  readonly report: (status: Status, reporter: Reporter) => void;
}

export async function openRollout(
  cluster: Cluster,
  name: string,
  metrics: FakePrometheus,
): Promise<Rollout> {
  const stage = await Stage.open(cluster, name);
  stage.metricsUrl = metrics.url;
  const report = ({ canary }: Status, reporter: Reporter): void => {
    metrics.reports.set(`${stage.namespace}/${canary?.replicaSet}`, reporter);
  };
  return {
    stage,
    report,
    begin: async (change) => {
      await stage.applyAll(stage.template('v1'), change);
      return stage.phase('Stable');
    },
    roll: async (version, reporter, change) => {
      const before = (await stage.read()).status?.canary?.revision;
      await stage.apply(stage.template(version), change);
      const status = await stage.status(`${version} in traffic`, ({ canary, step, phase }) => {
        const isNew = canary !== undefined && canary.revision !== before;
        return isNew && canary.weight === 20 && step?.startedAt !== undefined && phase !== 'Stable';
      });
      report(status, reporter);
      return status;
    },
  };
}
