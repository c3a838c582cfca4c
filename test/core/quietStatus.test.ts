// When the status is written: a value that moved is no reason, since every write wakes everyone who
// watches; what the value comes to is one.
import { expect } from 'chai';
import type { Condition, SignalStatus } from '../../src/api/schema.ts';
import { decide } from '../../src/core/decide.ts';
import type { SignalEvidence } from '../../src/core/evidence.ts';
import { foldStatus } from '../../src/core/status.ts';
import { breaching, canaryInTraffic, spec } from './canary.ts';
import { evidenceOf, FakeCluster, knownEvidence } from './fakeCluster.ts';

let cluster: FakeCluster;

function signal(name = 'errorRate'): SignalStatus | undefined {
  return cluster.status?.signals?.find((one) => one.name === name);
}

function condition(type: string): Condition | undefined {
  return cluster.status?.conditions?.find((one) => one.type === type);
}

/** One second on, with this evidence of the error rate; whether the status was written. */
function isWritten(evidence: SignalEvidence | number): boolean {
  const before = cluster.status;
  cluster.nowMs += 1000;
  if (typeof evidence === 'number') breaching(cluster, 60, evidence);
  else {
    const { signals } = evidenceOf(cluster.nowMs, Array(60).fill(0));
    const of = { ...signals, errorRate: evidence };
    cluster.evidence = { observedAtMs: cluster.nowMs, signals: of };
  }
  cluster.settle();
  return cluster.status !== before;
}

/** So many requests a second for a minute, none of which failed. */
function requests(perSecond: number): SignalEvidence {
  const points = Array.from({ length: 61 }, (_, i) => ({
    timeMs: cluster.nowMs + 1000 - (60 - i) * 1000,
    byCode: [{ code: '200', perSecond }],
  }));
  return knownEvidence({ kind: 'requests', points });
}

describe('the signals of the status', () => {
  beforeEach(() => {
    cluster = new FakeCluster(spec);
    canaryInTraffic(cluster, 0);
    isWritten(0.002);
  });

  it('are not written for a value that changed and means the same', () => {
    expect(signal()).to.include({ level: 'Normal', verdict: 'Clear', canary: '0.2%' });
    const before = cluster.status;
    for (const ratio of [0.004, 0.001, 0, 0.009])
      expect(isWritten(ratio), `${ratio}`).to.equal(false);
    expect(cluster.status).to.equal(before);
    expect(isWritten(0.02)).to.equal(true);
    expect(isWritten(0.03)).to.equal(false);
    expect(signal()).to.include({ level: 'Warning', canary: '2%' });
  });

  it('are written when the level changed, with the value of now', () => {
    const { since, observedAt } = signal() ?? {};
    expect(isWritten(0.02)).to.equal(true);
    expect(signal()).to.include({ level: 'Warning', verdict: 'Clear', canary: '2%' });
    expect(signal()?.since).not.to.equal(since);
    expect(signal()?.observedAt).not.to.equal(observedAt);
    expect(cluster.status?.worstSignal).to.equal('errorRate 2% (Warning)');
    expect(isWritten(0.002)).to.equal(true);
    expect(signal()).to.include({ level: 'Normal', canary: '0.2%' });
  });

  it('are written when the verdict changed and the level did not', () => {
    expect(isWritten(requests(0.5))).to.equal(true);
    expect(signal()).to.include({ level: 'Unknown', verdict: 'TooFewRequests' });
    expect(isWritten(requests(1)), 'other requests, as too few').to.equal(false);
    const none = knownEvidence({ kind: 'requests', points: [] });
    expect(isWritten(none)).to.equal(true);
    expect(signal()).to.include({ level: 'Unknown', verdict: 'Empty' });
  });

  it('are written anew, with the values of now, when the phase changed', () => {
    expect(isWritten(0.004)).to.equal(false);
    cluster.action = { kind: 'action', action: { verb: 'pause', id: 'tea', revision: null } };
    const { since } = signal() ?? {};
    expect(isWritten(0.005)).to.equal(true);
    expect(cluster.status?.phase).to.equal('Paused');
    expect(signal()).to.include({ level: 'Normal', canary: '0.5%', since });
    expect(isWritten(0.006), 'and not again').to.equal(false);
  });

  it('are written anew when the step or the number of pods changed', () => {
    // Both steps need one pod of four.
    const steps = [20, 25].map((weight) => ({ weight, hold: '10s' }));
    cluster.spec = { ...cluster.spec, canary: { ...cluster.spec.canary, steps } };
    cluster.nowMs += 12_000;
    expect(isWritten(0.005)).to.equal(true);
    expect(cluster.status?.step?.current).to.equal(2);
    expect(cluster.status?.canary?.available).to.equal(1);
    expect(signal()).to.include({ level: 'Normal', canary: '0.5%' });
    cluster.ready.set('b', 0);
    expect(isWritten(0.006)).to.equal(true);
    expect(cluster.status?.canary?.available).to.equal(0);
    expect(signal()).to.include({ level: 'Normal', canary: '0.6%' });
  });
});

describe('the conditions of the status', () => {
  beforeEach(() => {
    const [errorRate, latency, availability] = spec.signals;
    const demanding = { ...errorRate, minRequests: 1_000 };
    cluster = new FakeCluster({ ...spec, signals: [demanding, latency, availability] });
    canaryInTraffic(cluster, 20);
    isWritten(requests(5));
  });

  it('are not written for another number of requests that are missing', () => {
    const { reason, message = '' } = condition('Ready') ?? {};
    expect(reason).to.equal('TooFewRequests');
    expect(message).to.match(/needs 1000 requests within the hold; \d+ are missing/);
    for (const perSecond of [6, 20, 4]) expect(isWritten(requests(perSecond))).to.equal(false);
    expect(condition('Ready')?.message).to.equal(message);
  });

  it('are not written for another number in the evidence that is missing', () => {
    expect(isWritten(requests(0.5))).to.equal(true);
    const { reason, message } = condition('EvidenceAvailable') ?? {};
    expect(reason).to.equal('EvidenceMissing');
    expect(message).to.match(/\d requests in one window/);
    expect(isWritten(requests(1))).to.equal(false);
    expect(condition('EvidenceAvailable')?.message).to.equal(message);
  });

  it('are written when the words changed and not only the numbers', () => {
    expect(isWritten(requests(0.5))).to.equal(true);
    const { message, lastTransitionTime } = condition('EvidenceAvailable') ?? {};
    expect(isWritten(knownEvidence({ kind: 'requests', points: [] }))).to.equal(true);
    const now = condition('EvidenceAvailable');
    expect(now?.message).to.include('errorRate: Empty').and.not.equal(message);
    expect(now).to.include({ reason: 'EvidenceMissing', lastTransitionTime });
  });

  it('are written when a number changed that does not move with every request', () => {
    cluster.ready.set('b', 1);
    cluster.spec = { ...cluster.spec, replicas: 15 };
    cluster.settle();
    expect(condition('Ready')?.message).to.include('1 of 3 canary pods are available');
    cluster.ready.set('b', 2);
    cluster.settle();
    expect(condition('Ready')?.message).to.include('2 of 3 canary pods are available');
  });

  it('are written for the step that they speak of, also after one that nobody saw', () => {
    expect(condition('Ready')?.message).to.include('step 1/2 (20 %) waits: errorRate needs');
    cluster.nowMs += 1000;
    breaching(cluster, 60, 0);
    while (cluster.record('b').step === 1 || cluster.record('b').stepStartMs === null) {
      cluster.pass({ loseStatus: true });
    }
    cluster.nowMs += 20_000;
    expect(isWritten(requests(5))).to.equal(true);
    expect(condition('Ready')?.message).to.include('step 2/2 (50 %) waits: errorRate needs');
  });

  it('are written with the numbers of now for a newer generation', () => {
    expect(isWritten(requests(6))).to.equal(false);
    const { object, ...obs } = cluster.observe();
    const newer = { ...object, metadata: { ...object.metadata, generation: 2 } };
    const { conditions } = foldStatus(decide({ ...obs, object: newer }), []);
    const { message, reason, observedGeneration } = conditions?.[0] ?? {};
    expect([reason, observedGeneration]).to.deep.equal(['TooFewRequests', 2]);
    expect(message).not.to.equal(condition('Ready')?.message);
  });
});
