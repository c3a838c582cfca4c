// Signals that pods report of themselves: memory, CPU, fallbacks, and whether they are up.
import { expect } from 'chai';
import { BUILT_IN_SIGNALS } from '../../src/api/runbook.ts';
import type { BuiltInName } from '../../src/api/runbook.ts';
import type { ResolvedSignal } from '../../src/api/defaults.ts';
import type { PodsPoint, RawPoints, RevisionEvidence } from '../../src/core/evidence.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import type { SignalJudgement } from '../../src/core/judgement.ts';
import type { PodView, RevisionView } from '../../src/core/model.ts';
import { errorRate } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

const nowMs = 1_000_000;

function signalOf(name: BuiltInName, change: Partial<ResolvedSignal> = {}): ResolvedSignal {
  const { direction, ...row } = BUILT_IN_SIGNALS[name];
  return { ...errorRate, ...row, name, direction: direction ?? 'above', needed: false, ...change };
}

/** The judgement on a second-by-second history that ends now. */
function judge(signal: ResolvedSignal, points: readonly Omit<PodsPoint, 'timeMs'>[]) {
  const history: RawPoints = {
    kind: 'pods',
    points: points.map((point, i) => ({
      ...point,
      timeMs: nowMs - 1000 * (points.length - 1 - i),
    })),
  };
  const latest = { ...history, points: history.points.slice(-1) };
  const grid = { windowSeconds: 0, stepSeconds: 1, isWhole: true };
  const how = { ...grid, query: 'q', lookedFor: 'memory' };
  const evidence: RevisionEvidence = {
    observedAtMs: nowMs,
    signals: { [signal.name]: { state: 'known', latest, history, ...how } },
  };
  const [judged] = judgeSignals([signal], evidence, null);
  if (judged === undefined) throw new Error('one judgement was expected');
  return judged;
}

const GB = 1e9;

describe('memory', () => {
  const memory = signalOf('memory', { forSeconds: 10 });
  const run = (
    canary: PodsPoint['canary'],
    stable: PodsPoint['stable'] = { s: GB },
  ): SignalJudgement => judge(memory, Array(12).fill({ canary, stable }));

  it('is that of the worst pod', () => {
    expect(run({ a: GB, b: 2.1 * GB }).latest).to.include({ value: 2.1 * GB, level: 'Warning' });
    expect(run({ a: GB, b: 2.4 * GB }).level).to.equal('Warning');
  });

  it('is held when one pod was beyond the limit all the time', () => {
    expect(run({ a: GB, b: 2.5 * GB }).breach.state).to.equal('held');
  });

  it('is not held by two pods in turn', () => {
    const points = Array.from({ length: 12 }, (_, i) => ({
      canary: i < 6 ? { a: 2.5 * GB, b: GB } : { a: GB, b: 2.5 * GB },
      stable: { s: GB },
    }));
    expect(judge(memory, points).breach.state).to.equal('suspect');
  });

  it('is no fault of the canary where more than half of stable is as high', () => {
    const shared = run({ a: 2.5 * GB }, { s: 2.5 * GB, t: 2.5 * GB, u: GB });
    expect(shared).to.include({ level: 'Critical', advanceLevel: 'Critical' });
    expect(shared.breach.state).to.equal('none');
    expect(run({ a: 2.5 * GB }, { s: 2.5 * GB, t: GB }).breach.state).to.equal('held');
    expect(run({ a: 2.5 * GB }, {}).breach.state).to.equal('held');
  });

  it('is absent without a pod that reports it, and says what was looked for', () => {
    const { absence, level } = run({});
    expect(level).to.equal('Unknown');
    expect(absence).to.deep.include({ reason: 'Empty' });
    expect(absence?.message).to.include('looked for memory');
  });
});

describe('cpu', () => {
  it('is the mean of the pods, as a share of their limit', () => {
    const cpu = signalOf('cpu', { scale: 2 });
    const judged = judge(cpu, [{ canary: { a: 1, b: 2.4 }, stable: {} }]);
    expect(judged.latest).to.deep.include({ value: 0.85, level: 'Warning' });
  });
});

describe('a PQC fallback', () => {
  const fallback = signalOf('pqcFallback');

  it('is held at once when a pod of the canary reports it', () => {
    const judged = judge(fallback, [{ canary: { a: 1, b: 0 }, stable: { s: 0 } }]);
    expect(judged).to.deep.include({ level: 'Breach' });
    expect(judged.breach).to.include({ state: 'held', heldSeconds: 0 });
  });

  it('stops the advance and blames nobody where stable reports it as well', () => {
    const judged = judge(fallback, [{ canary: { a: 1 }, stable: { s: 1, t: 0 } }]);
    expect(judged).to.include({ level: 'Critical', advanceLevel: 'Critical' });
    expect(judged.breach.state).to.equal('none');
  });

  it('is fine while nobody does', () => {
    expect(judge(fallback, [{ canary: { a: 0 }, stable: { s: 1 } }]).level).to.equal('Normal');
  });
});

describe('availability', () => {
  const availability = signalOf('availability');
  const cluster = new FakeCluster();
  cluster.rollOut('b');
  const [view] = cluster.observe().revisions.filter(({ revision }) => revision === 'b');
  const up: Partial<PodView> = {
    ready: true,
    readySinceMs: 100,
    notReadySinceMs: null,
    createdAtMs: 0,
  };
  const canaryWith = (
    pods: readonly Partial<PodView>[],
    change: Partial<RevisionView> = {},
  ): RevisionView => {
    const [pod] = view?.pods ?? [];
    if (view === undefined || pod === undefined) throw new Error('there is no canary');
    const own = pods.map((each) => ({ ...pod, ...up, ...each }));
    const available = own.filter(({ ready }) => ready).length;
    const record = { ...view.record, stepStartMs: 500_000 };
    return { ...view, record, pods: own, available, ...change };
  };
  const judged = (canary: RevisionView, needed = 2, atMs = nowMs): SignalJudgement => {
    const [found] = judgeSignals([availability], null, { canary, needed, nowMs: atMs });
    if (found === undefined) throw new Error('one judgement was expected');
    return found;
  };
  const down = { ready: false, readySinceMs: null, notReadySinceMs: 900_000 };

  it('is whole while the needed pods are available', () => {
    expect(judged(canaryWith([{}, {}]))).to.include({ level: 'Normal', absence: null });
    expect(judged(canaryWith([{}, {}, down])).level).to.equal('Normal');
  });

  it('is critical while one is down, and for the hold after it came back', () => {
    expect(judged(canaryWith([{}, down])).level).to.equal('Critical');
    const back = judged(canaryWith([{}, { readySinceMs: 950_000 }]));
    expect(back.history.map(({ level }) => level)).to.deep.equal(['Critical', 'Normal']);
    const grown = judged(canaryWith([{}, { createdAtMs: 940_000, readySinceMs: 950_000 }]));
    expect(grown.history.map(({ level }) => level)).to.deep.equal(['Normal']);
  });

  it('is a breach while none is available, held after five minutes', () => {
    const none = canaryWith([down, { ...down, notReadySinceMs: 910_000 }]);
    expect(judged(none).breach).to.include({ state: 'suspect', sinceMs: 910_000 });
    expect(judged(none, 2, 1_210_000).breach).to.include({ state: 'held', heldSeconds: 300 });
  });

  it('counts a pod that was never ready from its creation', () => {
    const young = { ready: false, notReadySinceMs: null, createdAtMs: 980_000 };
    expect(judged(canaryWith([young])).breach).to.include({ sinceMs: 980_000 });
  });

  it('does not know since when there is no pod, unless none can be made', () => {
    expect(judged(canaryWith([])).breach).to.include({ sinceMs: nowMs });
    const refused = canaryWith([], { failure: 'exceeded quota' });
    expect(judged(refused).breach).to.include({ state: 'held', sinceMs: 500_000 });
  });

  it('is unknown before the canary had any weight', () => {
    const canary = canaryWith([down]);
    const record = { ...canary.record, stepStartMs: null, stepWeight: null };
    expect(judged({ ...canary, record }).level).to.equal('Unknown');
  });
});
