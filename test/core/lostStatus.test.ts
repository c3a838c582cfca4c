// An action whose annotation still stands when the status is lost: what was carried out before is
// not carried out again, for whatever canary is on its way by then.
import { expect } from 'chai';
import type { ActionVerb } from '../../src/api/actions.ts';
import type { LastAction } from '../../src/api/schema.ts';
import { canaryInTraffic, healthyFor, spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

let cluster: FakeCluster;

function act(verb: ActionVerb, id: string): void {
  cluster.action = { kind: 'action', action: { verb, id, revision: null } };
}

function answerTo(id: string): LastAction | undefined {
  return cluster.status?.lastActions?.find((action) => action.id === id);
}

const healthy = (seconds: number): void => healthyFor(cluster, seconds);

function loseStatus(): void {
  cluster.status = undefined;
}

function apply(revision: string): void {
  cluster.desired = revision;
  cluster.evidence = null;
  cluster.settle();
}

describe('after a lost status', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
  });

  it('an old promote ends no hold of the next canary', () => {
    act('promote', 'now');
    healthy(20);
    apply('c');
    loseStatus();
    healthy(2);
    expect(cluster.route.canaryWeight).to.equal(20);
    expect(answerTo('now')).to.include({ result: 'Refused' });
    expect(answerTo('now')?.message).to.include('new id');
  });

  it('an old rollback rejects no revision that serves', () => {
    act('promote', 'now');
    healthy(20);
    apply('c');
    act('rollback', 'bad');
    healthy(10);
    apply('d');
    healthy(60);
    expect(cluster.services.stable).to.equal('d');
    loseStatus();
    healthy(5);
    expect(cluster.status).to.deep.include({ phase: 'Stable' });
    expect(cluster.record('d').rejected).to.equal(false);
    expect(answerTo('bad'), 'its incident is still known').to.include({ result: 'Done' });
  });

  it('an old approval approves no step of the next canary', () => {
    const steps = [{ weight: 20, hold: '5s', approval: 'Required' as const }];
    cluster = new FakeCluster({ ...spec, canary: { ...spec.canary, steps } });
    canaryInTraffic(cluster, 0);
    healthy(6);
    act('approve', 'ok');
    healthy(20);
    apply('c');
    loseStatus();
    healthy(10);
    expect(cluster.status?.phase).to.equal('AwaitingApproval');
    act('approve', 'again');
    healthy(2);
    expect(answerTo('again')).to.include({ result: 'Done' });
    expect(cluster.route.canaryWeight).to.equal(100);
  });

  it('an old pause or retry that stands on a ReplicaSet is known as done', () => {
    act('pause', 'tea');
    cluster.settle();
    loseStatus();
    cluster.settle();
    expect(answerTo('tea')).to.include({ result: 'Done' });
    expect(cluster.status).to.include({ phase: 'Paused' });
  });
});
