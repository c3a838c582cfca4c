// An action whose write did not succeed is not done: it is tried again until it is.
import { expect } from 'chai';
import type { ActionVerb } from '../../src/api/actions.ts';
import type { Spec } from '../../src/api/schema.ts';
import { breaching, canaryInTraffic, healthyFor, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

let cluster: FakeCluster;

const healthy = (seconds: number): void => healthyFor(cluster, seconds);

function act(verb: ActionVerb): void {
  cluster.action = { kind: 'action', action: { verb, id: verb, revision: null } };
}

interface Case {
  readonly verb: ActionVerb;
  readonly canary?: Spec['canary'];
  readonly before: () => void;
  /** Whether the action has its effect. */
  readonly isDone: () => boolean;
}

const cases: readonly Case[] = [
  {
    verb: 'retry',
    before: () => {
      cluster.nowMs += 8_000;
      breaching(cluster, 7);
      cluster.settle();
      cluster.nowMs += 6_000;
      cluster.settle();
      cluster.evidence = null;
    },
    isDone: () => cluster.record('b').attempt === 2,
  },
  {
    verb: 'approve',
    canary: { steps: [{ weight: 20, approval: 'Required' }], drainDelay: '5s', mode: 'Enforce' },
    before: () => healthy(20),
    isDone: () => cluster.record('b').step === 2,
  },
  {
    verb: 'promote',
    before: () => undefined,
    isDone: () => cluster.route.canaryWeight === 100,
  },
  { verb: 'pause', before: () => undefined, isDone: () => cluster.status?.phase === 'Paused' },
  {
    verb: 'resume',
    before: () => {
      act('pause');
      cluster.settle();
    },
    isDone: () => cluster.observe().revisions.every(({ record }) => record.pausedBy === null),
  },
  {
    verb: 'rollback',
    before: () => {
      act('promote');
      healthy(20);
      expect(cluster.services.stable).to.equal('b');
    },
    isDone: () => cluster.record('b').rejected,
  },
];

describe('an action whose write fails', () => {
  for (const { verb, canary, before, isDone } of cases) {
    it(`stays open and is carried out later: ${verb}`, () => {
      cluster = new FakeCluster(canary === undefined ? spec : { ...spec, canary });
      canaryInTraffic(cluster, 0);
      before();
      act(verb);
      for (let pass = 0; pass < 4; pass++) {
        cluster.pass({ fails: ({ kind }) => kind === 'writeRevision' });
      }
      const answer = cluster.status?.lastActions?.find(({ id }) => id === verb);
      expect(answer?.result).not.to.equal('Done');
      expect(isDone()).to.equal(false);
      healthy(2);
      expect(isDone()).to.equal(true);
      expect(cluster.status?.lastActions?.find(({ id }) => id === verb)?.result).to.equal('Done');
    });
  }
});
