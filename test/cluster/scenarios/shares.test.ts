// What holds however a canary's share is carried, on a real API server: the same tests for the
// weights of a router and for the numbers of pods without one.
import { expect } from 'chai';
import { REVISION_LABEL, ROLLOUT_ANNOTATION, VERDICT_ANNOTATION } from '../../../src/api/names.ts';
import type { Cluster } from '../cluster.ts';
import type { OperatorHandle } from '../operator.ts';
import { waitFor } from '../process.ts';
import { sharedCluster } from '../shared.ts';
import { besideOneAnother } from './beside.ts';
import { failing, healthy, startFakePrometheus } from './fakePrometheus.ts';
import type { FakePrometheus } from './fakePrometheus.ts';
import { openRollout } from './rollouts.ts';
import type { Rollout } from './rollouts.ts';
import { app } from './stage.ts';
import type { ReplicaSet, Route, SpecChange, Stage } from './stage.ts';
import { startStandIns } from './standIns.ts';
import type { StandIns } from './standIns.ts';

const replicas = 10;

/** A write that says how much of the traffic a revision gets. */
interface ShareWrite {
  readonly revision: string;
  readonly percent: number;
  readonly isRejected: boolean;
}

/** A way to give shares. */
interface Carrier {
  readonly name: string;
  readonly traffic: SpecChange;
  /** The operator's writes of shares, in their order. */
  readonly written: (stage: Stage) => readonly ShareWrite[];
}

const carriers: readonly Carrier[] = [
  {
    name: 'weights of a router',
    traffic: { service: app, gatewayAPI: { routes: [{ kind: 'HTTPRoute', name: app }] } },
    written: (stage) =>
      stage.operatorsWrites<Route>('httproutes').map(({ metadata: { annotations }, spec }) => {
        const refs = spec.rules[0]?.backendRefs ?? [];
        return {
          revision: annotations?.[ROLLOUT_ANNOTATION]?.split('/')[1] ?? '',
          percent: refs.find(({ name }) => name === `${app}-canary`)?.weight ?? NaN,
          isRejected: annotations?.[VERDICT_ANNOTATION] === 'rejected',
        };
      }),
  },
  {
    name: 'numbers of pods',
    traffic: { service: app },
    written: (stage) =>
      stage.operatorsWrites<ReplicaSet>('replicasets').map(({ metadata, spec }) => ({
        revision: metadata.labels?.[REVISION_LABEL] ?? '',
        percent: (100 * spec.replicas) / replicas,
        isRejected: metadata.annotations?.[VERDICT_ANNOTATION] === 'rejected',
      })),
  },
];

for (const { name, traffic, written } of carriers) {
  describe(`shares as ${name}`, function () {
    this.timeout(120_000);
    let cluster: Cluster;
    let standIns: StandIns;
    let metrics: FakePrometheus;
    let operator: OperatorHandle;

    before(async () => {
      cluster = await sharedCluster('control-plane');
      standIns = await startStandIns(cluster);
      metrics = await startFakePrometheus();
      const { stage } = await openRollout(cluster, 'shares', metrics);
      operator = await stage.startOperator();
    });

    after(async () => {
      await operator.stop();
      await metrics.close();
      await standIns.stop();
    });

    const beside = besideOneAnother<Rollout>(async (test) => {
      const rollout = await openRollout(cluster, 'shares', metrics);
      try {
        await test(rollout);
      } finally {
        await rollout.stage.close();
      }
    });

    const changeOf = (hold: string): SpecChange => ({
      replicas,
      traffic,
      canary: { steps: [{ weight: 20, hold }], drainDelay: '0s' },
    });

    /** Shares of these revisions, each change once; none before the first that is above 0. */
    const changes = (stage: Stage, ...revisions: readonly (string | undefined)[]): string[] => {
      const told = written(stage)
        .filter(({ revision }) => revisions.includes(revision))
        .map(({ revision, percent }) => `${revisions.indexOf(revision)}: ${percent} %`)
        .filter((text, i, all) => text !== all[i - 1]);
      return told.filter((text, i) => !text.endsWith(': 0 %') || told[i - 1]?.at(0) === text.at(0));
    };

    beside(
      'are taken back by the write that carries the verdict',
      async ({ stage, begin, roll }) => {
        await begin(changeOf('1h'));
        const { canary } = await roll('v2', failing, changeOf('1h'));
        const status = await stage.phase('RolledBack');
        expect(status.rejected?.map(({ revision }) => revision)).to.deep.equal([canary?.revision]);
        expect(changes(stage, canary?.revision)).to.deep.equal(['0: 20 %', '0: 0 %']);
        const own = written(stage).filter(({ revision }) => revision === canary?.revision);
        const given = own.findIndex(({ percent }) => percent > 0);
        const taken = own.findIndex(({ percent }, i) => i > given && percent === 0);
        expect(own[taken]?.isRejected, 'the verdict is in the same write').to.equal(true);
        expect(own.slice(0, taken).some(({ isRejected }) => isRejected)).to.equal(false);
      },
    );

    beside('are not given to a revision that was rejected', async ({ stage, begin, roll }) => {
      await begin(changeOf('1h'));
      const { canary } = await roll('v2', failing, changeOf('1h'));
      await stage.phase('RolledBack');
      await stage.apply(stage.template('v1'), changeOf('1h'));
      await stage.phase('Stable');
      await stage.apply(stage.template('v2'), changeOf('1h'));
      const again = await stage.phase('RolledBack');
      expect(again.canary?.revision).to.equal(canary?.revision);
      expect(again.incidents).to.have.lengthOf(1);
      expect(changes(stage, canary?.revision)).to.deep.equal(['0: 20 %', '0: 0 %']);
    });

    beside(
      'are taken from a canary before a newer one gets any',
      async ({ stage, begin, roll }) => {
        await begin(changeOf('1h'));
        const older = await roll('v2', healthy, changeOf('1h'));
        const newer = await roll('v3', healthy, changeOf('1h'));
        const revisions = [older.canary?.revision, newer.canary?.revision];
        expect(changes(stage, ...revisions)).to.deep.equal(['0: 20 %', '0: 0 %', '1: 20 %']);
        expect(newer.rejected).to.equal(undefined);
      },
    );

    beside(
      'are all of a canary that holds, and the pods follow',
      async ({ stage, begin, roll }) => {
        await begin(changeOf('2s'));
        const { canary } = await roll('v2', healthy, changeOf('2s'));
        const status = await stage.status('v2 stable', ({ phase, stable }) => {
          return phase === 'Stable' && stable?.revision === canary?.revision;
        });
        expect(status.stable).to.include({ available: replicas, weight: 100 });
        expect(status.incidents).to.equal(undefined);
        await waitFor('the pods of v2 alone', async () => {
          const revisions = (await stage.pods()).map(({ metadata }) => metadata.labels);
          return (
            revisions.length === replicas &&
            revisions.every((labels) => labels?.[REVISION_LABEL] === canary?.revision)
          );
        });
      },
    );
  });
}
