// What people order, and what the object asks of people: approval, promote, pause and resume, the
// rollback of a stable revision; the bake and Observe.
import { expect } from 'chai';
import type { ActionVerb } from '../../src/api/actions.ts';
import type { LastAction } from '../../src/api/schema.ts';
import { decide } from '../../src/core/decide.ts';
import { breaching, canaryInTraffic, healthyFor, spec } from './canary.ts';
import type { SignalEvidence } from '../../src/core/evidence.ts';
import { FakeCluster, knownEvidence } from './fakeCluster.ts';

let cluster: FakeCluster;

function act(verb: ActionVerb, id: string, revision: string | null = null): void {
  cluster.action = { kind: 'action', action: { verb, id, revision } };
}

function answerTo(id: string): LastAction | undefined {
  return cluster.status?.lastActions?.find((action) => action.id === id);
}

const healthy = (seconds: number): void => healthyFor(cluster, seconds);

describe('an approval', () => {
  beforeEach(() => {
    const steps = [
      { weight: 20, approval: 'Required' },
      { weight: 50, hold: '5s', approval: 'Required' },
    ] as const;
    cluster = new FakeCluster({ ...spec, canary: { steps: [...steps], drainDelay: '5s' } });
    canaryInTraffic(cluster, 0);
  });

  it('is waited for, however healthy the canary is, and ends its step alone', () => {
    healthy(30);
    expect(cluster.status?.phase).to.equal('AwaitingApproval');
    expect(cluster.route.canaryWeight).to.equal(20);
    act('approve', 'yes');
    healthy(1);
    expect(answerTo('yes')).to.include({ result: 'Done', revision: 'b' });
    expect(cluster.route.canaryWeight).to.equal(50);
    healthy(30);
    expect(cluster.status?.phase).to.equal('AwaitingApproval');
  });

  it('does not end a step without evidence of health', () => {
    cluster.nowMs += 1000;
    act('approve', 'blind');
    cluster.settle();
    expect(answerTo('blind')?.result).to.equal('Done');
    expect(cluster.settle().check).to.equal('healthIsNotProven');
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('does not end a hold', () => {
    healthy(8);
    act('approve', 'one');
    healthy(1);
    act('approve', 'two');
    healthy(2);
    expect(cluster.settle().check).to.equal('holdIsNotOver');
    healthy(8);
    expect(cluster.route.canaryWeight).to.equal(100);
  });

  it('is refused for another revision, a step that needs none, and without a canary', () => {
    act('approve', 'other', 'zzzzzzzzzz');
    cluster.settle();
    expect(answerTo('other')).to.include({ result: 'Refused' });
    act('approve', 'one');
    cluster.settle();
    act('approve', 'again');
    cluster.settle();
    expect(answerTo('again')?.message).to.include('needs no approval');
  });

  it('stands against no verdict', () => {
    healthy(30);
    breaching(cluster, 7);
    expect(cluster.settle().phase).to.equal('RolledBack');
  });
});

describe('a pause', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
    act('pause', 'tea');
    cluster.settle();
  });

  it('stands before it is answered, and stops the step where it is', () => {
    expect(answerTo('tea')?.result).to.equal('Done');
    healthy(60);
    expect(cluster.status?.phase).to.equal('Paused');
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('holds up no verdict, and no correction of the weights', () => {
    cluster.route.canaryWeight = 70;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(20);
    breaching(cluster, 7);
    expect(cluster.settle().phase).to.equal('RolledBack');
  });

  it('ends with a resume', () => {
    act('resume', 'back');
    cluster.settle();
    expect(answerTo('back')?.result).to.equal('Done');
    healthy(15);
    expect(cluster.route.canaryWeight).to.equal(50);
  });

  it('is kept by an object that just takes traffic away, and is not refused', () => {
    act('resume', 'back');
    cluster.settle();
    cluster.broken.set('b', 'ContainerCreating');
    act('pause', 'coffee');
    expect(cluster.pass().check).to.equal('canaryHasNoPods');
    expect(answerTo('coffee')).to.equal(undefined);
    cluster.settle();
    expect(answerTo('coffee')?.result).to.equal('Done');
    act('resume', 'on');
    cluster.settle();
    cluster.broken.set('b', 'CrashLoopBackOff');
    expect(cluster.settle().phase).to.equal('RolledBack');
    act('pause', 'lunch');
    expect(cluster.settle().phase).to.equal('RolledBack');
    expect(answerTo('lunch')?.result).to.equal('Done');
    cluster.desired = 'c';
    expect(cluster.settle().phase).to.equal('Paused');
  });

  it('survives a lost status', () => {
    cluster.status = undefined;
    cluster.action = { kind: 'none' };
    healthy(60);
    expect(cluster.status).to.include({ phase: 'Paused' });
  });

  it('lets no attempt begin, and its time counts against no deadline', () => {
    cluster.broken.set('c', 'ContainerCreating');
    cluster.desired = 'c';
    cluster.settle();
    expect(cluster.revisions.has('c')).to.equal(false);
    act('resume', 'go');
    cluster.settle();
    act('pause', 'again');
    cluster.settle();
    cluster.nowMs += 3_600_000;
    expect(cluster.settle().check).to.equal('rolloutIsPaused');
    act('resume', 'on');
    cluster.settle();
    cluster.nowMs += 500_000;
    expect(cluster.settle().check).to.equal('podsAreMissing');
    cluster.nowMs += 101_000;
    expect(cluster.settle().incident).to.include({ alert: 'PROGRESS_DEADLINE' });
  });
});

describe('a promote', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
  });

  it('skips the holds that are left, not the bake', () => {
    healthy(2);
    act('promote', 'now');
    healthy(1);
    expect(answerTo('now')?.result).to.equal('Done');
    expect(cluster.route.canaryWeight).to.equal(100);
    expect(cluster.status?.phase).to.equal('Baking');
    expect(cluster.services.stable).to.equal('aaaaaaaaaa');
    healthy(10);
    expect(cluster.services.stable).to.equal('b');
  });

  it('is refused while the canary breaches, while paused and in the bake', () => {
    breaching(cluster, 3);
    act('promote', 'one');
    cluster.settle();
    expect(answerTo('one')?.message).to.include('errorRate is Breach');
    healthy(1);
    act('pause', 'two');
    cluster.settle();
    act('promote', 'three');
    cluster.settle();
    expect(answerTo('three')?.message).to.include('paused');
  });
});

describe('the bake', () => {
  beforeEach(() => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, bake: '30s' } });
    canaryInTraffic(cluster, 0);
    act('promote', 'now');
    healthy(2);
    expect(cluster.status?.phase).to.equal('Baking');
  });

  it('lasts as long as it says, with stable still complete', () => {
    healthy(25);
    expect(cluster.status?.phase).to.equal('Baking');
    expect(cluster.revisions.get('aaaaaaaaaa')?.replicas).to.equal(4);
    healthy(6);
    expect(cluster.services.stable).to.equal('b');
  });

  it('goes back in one write', () => {
    breaching(cluster, 7);
    const { commands } = decide(cluster.observe());
    expect(commands[0]).to.include({ kind: 'setWeights', canaryWeight: 0, verdict: 'rejected' });
    cluster.settle();
    expect(cluster.status?.phase).to.equal('RolledBack');
    expect(cluster.services.stable).to.equal('aaaaaaaaaa');
  });

  it('goes back to stable before a newer template begins', () => {
    const before = cluster.weightWrites.length;
    cluster.rollOut('c');
    const weights = cluster.weightWrites.slice(before).map(({ weight }) => weight);
    expect(weights).to.deep.equal([0, 20]);
    expect(cluster.services).to.deep.equal({ stable: 'aaaaaaaaaa', canary: 'c' });
  });
});

describe('a rollback of what is stable', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
    act('promote', 'now');
    healthy(20);
    expect(cluster.status?.phase).to.equal('Stable');
    expect(cluster.revisions.get('aaaaaaaaaa')?.replicas).to.equal(0);
  });

  it('brings the revision before it back: its pods, then the traffic', () => {
    const before = cluster.carriedOut.length;
    act('rollback', 'regret');
    healthy(10);
    const order = cluster.carriedOut.slice(before).map((command) => {
      if (command.kind === 'applyService') return `${command.role} to ${command.revision}`;
      if (command.kind !== 'writeRevision') return command.kind;
      return command.record.rejected ? 'rejected' : `replicas ${command.replicas ?? 'kept'}`;
    });
    expect(order.slice(0, 3)).to.deep.equal(['rejected', 'replicas 4', 'stable to aaaaaaaaaa']);
    expect(answerTo('regret')).to.include({ result: 'Done', revision: 'b' });
    expect(cluster.status?.phase).to.equal('RolledBack');
    expect(cluster.status?.rejected?.map(({ revision }) => revision)).to.deep.equal(['b']);
    expect(cluster.services).to.deep.equal({ stable: 'aaaaaaaaaa', canary: 'aaaaaaaaaa' });
    expect(cluster.revisions.get('b')?.replicas).to.equal(0);
  });

  it('moves nothing before the pods are there', () => {
    cluster.broken.set('aaaaaaaaaa', 'ContainerCreating');
    act('rollback', 'regret');
    healthy(10);
    expect(cluster.services.stable).to.equal('b');
    expect(cluster.status?.phase).to.equal('RollingBack');
    cluster.broken.clear();
    healthy(10);
    expect(cluster.status?.phase).to.equal('RolledBack');
  });

  it('is refused when no earlier revision is there', () => {
    cluster.revisions.delete('aaaaaaaaaa');
    act('rollback', 'regret');
    cluster.settle();
    expect(answerTo('regret')).to.include({ result: 'Refused' });
    expect(cluster.status?.phase).to.equal('Stable');
  });

  it('brings back what was stable last, though its promotion was cut short', () => {
    cluster.desired = 'c';
    cluster.evidence = null;
    cluster.settle();
    act('promote', 'on');
    for (let second = 0; cluster.services.stable !== 'c'; second++) {
      cluster.nowMs += 1000;
      breaching(cluster, 60, 0);
      const promotes = decide(cluster.observe()).check === 'stepPasses';
      cluster.pass(promotes && cluster.record('c').step === 3 ? { dieAfter: 1 } : {});
      if (second > 100) throw new Error('it is not promoted');
    }
    expect(cluster.record('c').role).to.equal('canary');
    healthy(10);
    cluster.desired = 'd';
    cluster.evidence = null;
    cluster.settle();
    act('promote', 'further');
    healthy(20);
    expect(cluster.services.stable).to.equal('d');
    act('rollback', 'regret');
    healthy(20);
    expect(cluster.services.stable).to.equal('c');
  });

  it('never brings back what was no more than a canary', () => {
    cluster.desired = 'c';
    cluster.settle();
    cluster.desired = 'b';
    cluster.settle();
    cluster.nowMs += 10_000;
    cluster.settle();
    act('rollback', 'regret');
    healthy(10);
    expect(cluster.services.stable).to.equal('aaaaaaaaaa');
  });
});

describe('Observe', () => {
  beforeEach(() => {
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, mode: 'Observe' } });
    canaryInTraffic(cluster);
  });

  it('writes what it would have done once, and rejects and moves nothing', () => {
    breaching(cluster, 7);
    cluster.settle();
    breaching(cluster, 9);
    cluster.settle();
    const [incident, ...more] = cluster.status?.incidents ?? [];
    expect(incident).to.include({ alert: 'HIGH_ERROR_RATE', revision: 'b' });
    expect(incident?.summary).to.match(/^Observed only/);
    expect(more).to.deep.equal([]);
    expect(cluster.status).to.include({ phase: 'Progressing' });
    expect(cluster.status?.rejected).to.equal(undefined);
    expect(cluster.route.canaryWeight).to.equal(20);
  });

  it('writes down every limit that was held, not only the first', () => {
    const buckets = [0.5, Infinity].map((le) => ({ le, perSecond: le === Infinity ? 100 : 20 }));
    const points = Array.from({ length: 8 }, (_, i) => ({
      timeMs: cluster.nowMs - (7 - i) * 1000,
      buckets,
    }));
    breaching(cluster, 7);
    const latencyP95 = knownEvidence({ kind: 'latency', points });
    const signals = { ...cluster.evidence?.signals, latencyP95 };
    cluster.evidence = { observedAtMs: cluster.nowMs, signals };
    cluster.settle();
    const alerts = cluster.status?.incidents?.map(({ alert }) => alert);
    expect(alerts).to.have.members(['HIGH_ERROR_RATE', 'HIGH_LATENCY']);
  });

  it('goes on by its holds, without evidence and against it', () => {
    cluster.evidence = null;
    cluster.nowMs += 10_000;
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(50);
    cluster.nowMs += 11_000;
    breaching(cluster, 20);
    cluster.settle();
    expect(cluster.route.canaryWeight).to.equal(100);
  });

  it('rolls back when a person orders it', () => {
    act('rollback', 'enough');
    cluster.settle();
    expect(cluster.status?.phase).to.equal('RolledBack');
  });
});

describe('a fallback to classical cryptography that stable shares', () => {
  it('is a security incident, once, that stops the advance and rolls nothing back', () => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 20);
    const fallback = (stable: number): SignalEvidence =>
      knownEvidence({
        kind: 'pods',
        points: [{ timeMs: cluster.nowMs, canary: { a: 1 }, stable: { s: stable } }],
      });
    const look = (stable: number): void => {
      breaching(cluster, 20, 0);
      const signals = { ...cluster.evidence?.signals, pqcFallback: fallback(stable) };
      cluster.evidence = { observedAtMs: cluster.nowMs, signals };
    };
    look(1);
    expect(cluster.settle()).to.include({ check: 'levelIsCritical' });
    cluster.settle();
    const [incident, ...more] = cluster.status?.incidents ?? [];
    expect(incident).to.include({ alert: 'PQC_HANDSHAKE_FAILURE', signal: 'pqcFallback' });
    expect(incident?.summary).to.match(/^Security incident/);
    expect(more).to.deep.equal([]);
    expect(cluster.route.canaryWeight).to.equal(20);
    look(0);
    expect(cluster.settle().phase).to.equal('RolledBack');
  });
});
