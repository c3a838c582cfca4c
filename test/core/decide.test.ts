// The decision on a cluster in memory: what each situation comes to, and in which order its writes
// go out.
import { expect } from 'chai';
import { decide } from '../../src/core/decide.ts';
import type { SignalEvidence } from '../../src/core/evidence.ts';
import type { Command, Observation } from '../../src/core/model.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { evidenceOf, FakeCluster } from './fakeCluster.ts';

function kinds(commands: readonly Command[]): string[] {
  return commands.map((command) => {
    if (command.kind === 'applyService') return `applyService ${command.role} ${command.revision}`;
    if (command.kind === 'setWeights') return `setWeights ${command.canaryWeight}`;
    return command.kind;
  });
}

describe('the decision', () => {
  let cluster: FakeCluster;

  beforeEach(() => {
    cluster = new FakeCluster(spec);
  });

  const reason = (change: Partial<Observation> = {}): string => {
    const { check } = decide({ ...cluster.observe(), ...change });
    return check;
  };

  describe('before there is a canary', () => {
    it('sets the finalizer before anything else', () => {
      expect(cluster.pass().check).to.equal('finalizerIsMissing');
      expect(kinds(cluster.carriedOut)).to.deep.equal(['addFinalizer']);
    });

    it('rolls the first revision out whole, and rests', () => {
      expect(cluster.settle()).to.include({ check: 'stableIsDesired', phase: 'Stable' });
      expect(cluster.services).to.deep.equal({ stable: 'aaaaaaaaaa', canary: 'aaaaaaaaaa' });
      expect(cluster.revisions.get('aaaaaaaaaa')?.replicas).to.equal(4);
      expect(cluster.weightWrites).to.deep.equal([]);
    });

    it('stops for what only a person can mend, and touches nothing', () => {
      cluster.settle();
      cluster.desired = 'b';
      const stops: readonly (readonly [string, Partial<Observation>])[] = [
        ['specIsInvalid', { policy: { kind: 'invalid', messages: ['spec.x: no'] } }],
        ['specIsInvalid', { policyProblem: { reason: 'UnknownServer', message: 'no' } }],
        ['replicaSetIsRefused', { replicaSetProblem: { reason: 'InvalidTemplate', message: 'x' } }],
        ['userServiceIsMissing', { userService: 'missing' }],
        ['routeIsMissing', { routes: [null] }],
        ['routeIsClaimed', { routeOwners: ['mesh/other'] }],
        ['backendsAreMissing', { routes: cluster.observe().routes.map(withoutPairs) }],
      ];
      for (const [check, change] of stops) {
        const decision = decide({ ...cluster.observe(), ...change });
        expect(decision.check).to.equal(check);
        expect(decision.stalled, check).to.equal(true);
        expect(decision.commands, check).to.deep.equal([]);
      }
    });

    it('never takes a service over that is not its own', () => {
      cluster.settle();
      const { stableService } = cluster.observe();
      if (stableService === null) throw new Error('there is no stable service');
      const claimed = { ...stableService, owned: false, ownerName: 'Deployment other' };
      expect(reason({ stableService: claimed })).to.equal('serviceIsClaimed');
    });

    it('never turns a canary service that is not its own, nor reads a canary from it', () => {
      const foreign = { name: 'shop-canary', uid: 'u', resourceVersion: '1', owned: false };
      const canaryService = { ...foreign, revision: 'strangehash', ownerName: 'Deployment x' };
      const first = { ...canaryService, name: 'shop-stable', ownerName: null };
      cluster.pass();
      expect(reason({ canaryService, stableService: first }), 'left over').to.equal(
        'serviceIsClaimed',
      );
      cluster.settle();
      for (const desired of [cluster.desired, 'b']) {
        cluster.desired = desired;
        const decision = decide({ ...cluster.observe(), canaryService });
        expect(decision).to.include({ check: 'serviceIsClaimed', stalled: true });
        expect(decision.commands).to.deep.equal([]);
      }
    });

    it('takes weight back that another writer gave while stable serves', () => {
      cluster.settle();
      cluster.route.canaryWeight = 30;
      expect(cluster.settle().phase).to.equal('Stable');
      expect(cluster.route.canaryWeight).to.equal(0);
    });
  });

  describe('giving weight', () => {
    it('goes through pods, service and weight in this order', () => {
      cluster.settle();
      const before = cluster.carriedOut.length;
      cluster.rollOut('b');
      const weighty = kinds(cluster.carriedOut.slice(before)).filter((kind) => {
        return /create|apply|setWeights/.test(kind);
      });
      expect(weighty).to.deep.equal(['createReplicaSet', 'applyService canary b', 'setWeights 20']);
      expect(cluster.revisions.get('b')?.replicas).to.equal(1);
    });

    it('waits for pods, with a deadline', () => {
      cluster.settle();
      cluster.broken.set('b', 'ContainerCreating');
      expect(cluster.rollOut('b')).to.include({ check: 'podsAreMissing' });
      expect(cluster.route.canaryWeight).to.equal(0);
      cluster.nowMs += 601_000;
      expect(cluster.settle().incident).to.include({ alert: 'PROGRESS_DEADLINE' });
    });

    it('raises only on what it read', () => {
      canaryInTraffic(cluster);
      const raises = cluster.carriedOut.filter(({ kind }) => kind === 'setWeights');
      expect(raises.map((command) => 'guard' in command && command.guard)).to.deep.equal(['raise']);
    });

    it('counts the hold from the acceptance of the router', () => {
      cluster.settle();
      cluster.routeAccepted = false;
      expect(cluster.rollOut('b').check).to.equal('routerHasNotAccepted');
      expect(cluster.record('b').stepStartMs).to.equal(null);
      cluster.routeAccepted = true;
      cluster.nowMs += 3_000;
      cluster.settle();
      expect(cluster.record('b').stepStartMs).to.equal(cluster.nowMs);
    });

    it('holds, then passes step after step, and promotes after the longest hold', () => {
      canaryInTraffic(cluster, 0);
      const weights = [cluster.route.canaryWeight];
      for (let second = 0; cluster.services.stable !== 'b'; second++) {
        if (second > 60) throw new Error(JSON.stringify(cluster.pass()));
        cluster.nowMs += 1000;
        breaching(cluster, 30, 0);
        cluster.settle();
        if (weights.at(-1) !== cluster.route.canaryWeight) weights.push(cluster.route.canaryWeight);
      }
      expect(weights).to.deep.equal([20, 50, 100, 0]);
      expect(cluster.nowMs - (cluster.record('b').attemptStartMs ?? 0)).to.be.at.least(26_000);
      cluster.nowMs += 6_000;
      expect(cluster.settle().phase).to.equal('Stable');
      expect(cluster.revisions.get('aaaaaaaaaa')?.replicas).to.equal(0);
    });

    it('never advances on NaN', () => {
      canaryInTraffic(cluster, 20);
      const nan: SignalEvidence = evidenceOf(cluster.nowMs, Array(20).fill(NaN)).signals[
        'errorRate'
      ] as SignalEvidence;
      const healthy = evidenceOf(cluster.nowMs, Array(20).fill(0));
      cluster.evidence = { ...healthy, signals: { ...healthy.signals, errorRate: nan } };
      expect(cluster.settle().check).to.equal('healthIsNotProven');
      expect(cluster.record('b').step).to.equal(1);
    });

    it('never advances on too few requests, and does not blame', () => {
      canaryInTraffic(cluster, 20);
      const points = Array.from({ length: 20 }, (_, i) => ({
        timeMs: cluster.nowMs - (19 - i) * 1000,
        byCode: [{ code: '500', perSecond: 1 }],
      }));
      const healthy = evidenceOf(cluster.nowMs, Array(20).fill(0));
      const errorRate: SignalEvidence = {
        state: 'known',
        latest: { kind: 'requests', points: points.slice(-1) },
        history: { kind: 'requests', points },
        windowSeconds: 4,
        stepSeconds: 1,
        query: 'query',
        lookedFor: 'requests',
        isWhole: true,
      };
      cluster.evidence = { ...healthy, signals: { ...healthy.signals, errorRate } };
      const decision = cluster.settle();
      expect(decision).to.include({ check: 'healthIsNotProven', reason: 'TooFewRequests' });
      expect(decision.phase).to.equal('Progressing');
    });

    it('waits while a level is critical, though the hold is over', () => {
      canaryInTraffic(cluster, 20);
      breaching(cluster, 20, 0.07);
      expect(cluster.settle().check).to.equal('levelIsCritical');
    });

    it('turns the canary service only while no route gives it weight', () => {
      canaryInTraffic(cluster);
      cluster.services.canary = 'aaaaaaaaaa';
      const decision = decide(cluster.observe());
      expect(decision.check).to.equal('canaryServiceIsElsewhere');
      expect(kinds(decision.commands)).to.deep.equal(['setWeights 0', 'readBack']);
    });

    it('puts weights back that another writer changed', () => {
      canaryInTraffic(cluster);
      cluster.route.canaryWeight = 90;
      cluster.settle();
      expect(cluster.route.canaryWeight).to.equal(20);
    });

    it('names who lowers weights, and puts them back no sooner than it may', () => {
      canaryInTraffic(cluster);
      cluster.evidence = evidenceOf(cluster.nowMs, [0]);
      cluster.route.canaryWeight = 5;
      cluster.otherManager = 'argocd';
      cluster.raiseNotBeforeMs = cluster.nowMs + 2_000;
      const waiting = cluster.settle();
      expect(waiting).to.include({ reason: 'WeightsOverwritten' });
      expect(waiting.message).to.include('(written by argocd)');
      expect(waiting.lookAgainAtMs).to.equal(cluster.raiseNotBeforeMs);
      expect(cluster.route.canaryWeight).to.equal(5);
      cluster.nowMs += 2_000;
      cluster.settle();
      expect(cluster.route.canaryWeight).to.equal(20);
    });

    it('takes the weight from a route that lost its mark before it gives any', () => {
      canaryInTraffic(cluster);
      cluster.route.mark = null;
      const decision = decide(cluster.observe());
      expect(decision.check).to.equal('routeLostItsMark');
      expect(kinds(decision.commands)).to.deep.equal(['setWeights 0']);
    });
  });

  describe('taking traffic away', () => {
    it('writes the routes first, and the verdict rides on that write', () => {
      canaryInTraffic(cluster);
      breaching(cluster, 7);
      const decision = decide(cluster.observe());
      expect(decision.check).to.equal('rollbackLimitHeld');
      const [first, second] = decision.commands;
      expect(first).to.include({ kind: 'setWeights', canaryWeight: 0, verdict: 'rejected' });
      expect(first).to.deep.include({ guard: 'lower', incident: decision.incident });
      expect(second).to.include({ kind: 'writeRevision', resourceVersion: null });
      expect(kinds(decision.commands)).to.deep.equal(['setWeights 0', 'writeRevision', 'readBack']);
    });

    it('reads the routes back before the service turns and the pods go', () => {
      canaryInTraffic(cluster);
      breaching(cluster, 7);
      const before = cluster.carriedOut.length;
      expect(cluster.settle().phase).to.equal('RolledBack');
      cluster.nowMs += 6_000;
      cluster.settle();
      const order = kinds(cluster.carriedOut.slice(before));
      const readBack = order.indexOf('readBack');
      expect(readBack).to.be.above(order.indexOf('setWeights 0'));
      expect(order.indexOf('applyService canary aaaaaaaaaa')).to.be.above(readBack);
      expect(cluster.revisions.get('b')?.replicas).to.equal(0);
      expect(cluster.revisions.get('aaaaaaaaaa')?.replicas).to.equal(4);
    });

    it('turns no service and drains no pod before the routes were read back', () => {
      canaryInTraffic(cluster);
      breaching(cluster, 7);
      cluster.routesLag = true;
      for (let second = 0; second < 20; second++) {
        expect(cluster.pass().phase).to.equal('RollingBack');
        cluster.nowMs += 1000;
      }
      expect(cluster.services.canary).to.equal('b');
      expect(cluster.revisions.get('b')?.replicas).to.equal(1);
      cluster.routesLag = false;
      expect(cluster.settle().phase).to.equal('RolledBack');
    });

    it('keeps the pods of a canary for the drain delay', () => {
      canaryInTraffic(cluster);
      breaching(cluster, 7);
      cluster.settle();
      cluster.nowMs += 4_000;
      cluster.settle();
      expect(cluster.revisions.get('b')?.replicas).to.equal(1);
    });

    it('judges a hold by its history alone: another process decides the same', () => {
      canaryInTraffic(cluster);
      breaching(cluster, 5);
      expect(cluster.settle().phase).to.equal('Progressing');
      cluster.nowMs += 1_000;
      breaching(cluster, 6);
      expect(decide(cluster.observe()).check).to.equal('rollbackLimitHeld');
      cluster.evidence = evidenceOf(cluster.nowMs, [0.3]);
      expect(decide(cluster.observe()).check).to.equal('levelIsCritical');
    });

    it('sees a breach of one signal though another has no evidence', () => {
      canaryInTraffic(cluster);
      const absent: SignalEvidence = {
        state: 'absent',
        absence: { kind: 'unreachable', reason: 'Refused', message: 'no' },
        sinceMs: cluster.nowMs,
        query: 'query',
      };
      cluster.evidence = evidenceOf(cluster.nowMs, Array(8).fill(0.3), absent);
      expect(decide(cluster.observe()).check).to.equal('rollbackLimitHeld');
    });

    it('blames a value beyond the limit, not one at it', () => {
      canaryInTraffic(cluster);
      breaching(cluster, 8, 0.1);
      expect(decide(cluster.observe()).phase).to.equal('Progressing');
      breaching(cluster, 8, 0.1001);
      expect(decide(cluster.observe()).check).to.equal('rollbackLimitHeld');
    });

    it('rolls back on an absence only when the object says so', () => {
      canaryInTraffic(cluster);
      const absent: SignalEvidence = {
        state: 'absent',
        absence: { kind: 'noData', reason: 'Empty', message: 'no' },
        sinceMs: cluster.nowMs - 7_000,
        query: 'query',
      };
      const healthy = evidenceOf(cluster.nowMs, Array(8).fill(0));
      cluster.evidence = { ...healthy, signals: { ...healthy.signals, errorRate: absent } };
      expect(decide(cluster.observe()).phase).to.equal('Progressing');
      const [errorRate, latency] = spec.signals;
      cluster.spec = new FakeCluster({
        ...spec,
        signals: [{ ...errorRate, noData: 'Rollback' }, latency],
      }).spec;
      expect(decide(cluster.observe()).check).to.equal('absenceHeldAgainstPolicy');
    });

    it('rolls back a crash loop at once', () => {
      canaryInTraffic(cluster);
      cluster.broken.set('b', 'CrashLoopBackOff');
      expect(decide(cluster.observe()).check).to.equal('podsHaveFailed');
      expect(cluster.settle().incident).to.include({ alert: 'SERVICE_DOWN', signal: 'pods' });
    });

    it('gives a canary without pods no weight, without a verdict', () => {
      canaryInTraffic(cluster, 2);
      cluster.broken.set('b', 'ContainerCreating');
      expect(decide(cluster.observe()).check).to.equal('canaryHasNoPods');
      cluster.settle();
      expect(cluster.route).to.include({ canaryWeight: 0, verdict: 'none' });
    });

    it('gives a canary whose ReplicaSet was deleted no weight, then begins again', () => {
      canaryInTraffic(cluster);
      cluster.revisions.delete('b');
      const before = cluster.carriedOut.length;
      cluster.settle();
      const order = kinds(cluster.carriedOut.slice(before));
      expect(order[0]).to.equal('setWeights 0');
      expect(order).to.include('createReplicaSet');
      expect(cluster.record('b').attempt).to.equal(2);
      expect(cluster.route.canaryWeight).to.equal(20);
    });

    it('gives a canary whose ReplicaSet is being deleted no weight, pods or not', () => {
      canaryInTraffic(cluster);
      const obs = cluster.observe();
      for (const available of [1, 0]) {
        const revisions = obs.revisions.map((view) =>
          view.revision === 'b' ? { ...view, deleting: true, available } : view,
        );
        const { check, commands } = decide({ ...obs, revisions });
        expect(check).to.equal('canaryHasNoPods');
        expect(kinds(commands)).to.deep.equal(['setWeights 0']);
      }
    });

    it('takes a newer template only after the older canary has no weight', () => {
      canaryInTraffic(cluster);
      const before = cluster.carriedOut.length;
      cluster.rollOut('c');
      const order = kinds(cluster.carriedOut.slice(before));
      const turned = order.indexOf('applyService canary aaaaaaaaaa');
      expect(order.slice(0, 2)).to.deep.equal(['setWeights 0', 'readBack']);
      expect(turned).to.be.above(1);
      expect(order.indexOf('applyService canary c')).to.be.above(turned);
      expect(cluster.route).to.deep.include({ canaryWeight: 20 });
      expect(cluster.status?.rejected).to.equal(undefined);
    });

    it('gives the routes back to stable when the object goes', () => {
      canaryInTraffic(cluster);
      cluster.finalizing = true;
      const { check, commands } = decide(cluster.observe());
      expect(check).to.equal('objectIsDeleted');
      const last = ['handBackRoutes', 'removeFinalizer'];
      expect(kinds(commands)).to.deep.equal(['releaseRoutes', ...last]);
    });
  });
});

function withoutPairs(route: Observation['routes'][number]): Observation['routes'][number] {
  return route === null ? null : { ...route, pairs: [] };
}
