// A fallback to classical cryptography: which series tell of one, that each alone is enough, and
// that none of it counts as a handshake that failed.
import { expect } from 'chai';
import { resolvePolicy } from '../../src/api/defaults.ts';
import { judgeSignals } from '../../src/core/judgement.ts';
import type { SignalJudgement } from '../../src/core/judgement.ts';
import { lookBack } from '../../src/sources/look.ts';
import type { MetricRow, ServerSettings } from '../../src/sources/port.ts';
import { fallbackQuery, handshakesQuery } from '../../src/sources/queries.ts';
import { dialectOf, lookedFor } from '../../src/sources/signalQueries.ts';
import { specWithSignals } from '../api/spec.ts';
import { FakeSource } from './fakeSource.ts';
import { selectorsOf } from './selectors.ts';
import { evidenceTarget, serverSettings } from './settings.ts';

const settings: ServerSettings = { ...serverSettings, profile: 'x0tta' };
const to = dialectOf(settings);
const only = { replicaSets: ['shop-b', 'shop-a'], services: ['shop'] };
const scope = { namespaces: ['mesh'], only };
const atMs = 100_000;

/** The part of a query whose rows carry this number of their source. */
function partOf(query: string, source: number): string {
  return query.split(' or label_replace(')[source] ?? '';
}

describe('the query of a fallback', () => {
  const query = fallbackQuery(scope, to);

  it('asks for handshakes that failed for that reason, and for no other failure', () => {
    const selectors = selectorsOf(query, 'pqc_handshake_failure_total');
    expect(selectors).to.have.lengthOf.above(1);
    for (const one of selectors) expect(one).to.include('reason="fallback"');
  });

  it('asks for the gauge, for the mesh and for these failures in parts of their own', () => {
    const [gauge, mesh, failures] = [0, 1, 2].map((source) => partOf(query, source));
    expect(selectorsOf(gauge ?? '', 'pqc_fallback_enabled')).to.have.lengthOf(1);
    expect(selectorsOf(mesh ?? '', 'mesh_pqc_enabled')).to.have.lengthOf.above(0);
    expect(selectorsOf(failures ?? '', 'pqc_handshake_failure_total')).to.have.lengthOf.above(0);
    for (const [source, part] of [gauge, mesh, failures].entries()) {
      expect(part).to.include(`"x0tta_source", "${source}"`);
    }
  });

  it('is told to whom it finds nothing for, by the names of its series', () => {
    const [signal] = signals.filter(({ kind }) => kind === 'pqcFallback');
    if (signal === undefined) throw new Error('there is no signal of fallbacks');
    expect(lookedFor(signal, to)).to.equal(
      'pqc_fallback_enabled, mesh_pqc_enabled, pqc_handshake_failure_total{reason="fallback"}',
    );
  });
});

describe('the query of handshakes that failed', () => {
  for (const [when, windowMs] of [
    ['at each time of a range', null],
    ['now and at the beginning of the window', 60_000],
  ] as const) {
    it(`leaves fallbacks out ${when}`, () => {
      const query = handshakesQuery(scope, to, windowMs);
      const failures = selectorsOf(query, 'pqc_handshake_failure_total');
      expect(failures).to.have.lengthOf(windowMs === null ? 1 : 2);
      for (const one of failures) expect(one).to.include('reason!="fallback"');
      for (const one of selectorsOf(query, 'pqc_handshake_success_total')) {
        expect(one).not.to.include('reason');
      }
    });
  }
});

const signals = (() => {
  const found = resolvePolicy(specWithSignals());
  if (found.kind === 'invalid') throw new Error(found.messages.join('; '));
  return found.policy.signals.filter(({ kind }) => kind.startsWith('pqc'));
})();

/** What a pod says by one of the parts of the query, all the time. */
function row(pod: string, source: number, value: number): MetricRow {
  const labels = { namespace: 'mesh', pod, x0tta_source: String(source) };
  return { labels, samples: [[atMs, value]] };
}

/** Both signals of a canary and a stable pod, of which the given rows are all that there is. */
async function judged(
  rows: readonly MetricRow[],
  readySinceMs: number | null = 0,
): Promise<readonly SignalJudgement[]> {
  const source = new FakeSource(() => atMs);
  source.rows.set(fallbackQuery(scope, to), rows);
  const target = {
    ...evidenceTarget,
    canaryPods: [{ name: 'shop-b-bbbbb', readySinceMs }],
    stablePods: [{ name: 'shop-a-bbbbb', readySinceMs: 0 }],
  };
  const pods = new Set(['shop-b-bbbbb', 'shop-a-bbbbb']);
  const subject = { target, signals, pods, absentSinceMs: {} };
  const server = { source, settings, isShared: () => false };
  const seen = await lookBack(server, [subject], atMs, [signals.map(({ name }) => name)]);
  return judgeSignals(signals, seen.evidenceOn(0, subject), null);
}

function find(judgements: readonly SignalJudgement[], kind: string): SignalJudgement {
  const found = judgements.find(({ signal }) => signal.kind === kind);
  if (found === undefined) throw new Error(`${kind} was not judged`);
  return found;
}

describe('a fallback that a canary reports', () => {
  for (const [source, name] of [
    'pqc_fallback_enabled = 1',
    'mesh_pqc_enabled = 0',
    'a handshake that failed for reason="fallback"',
  ].entries()) {
    it(`is held at once by ${name} alone, and is no handshake that failed`, async () => {
      const judgements = await judged([row('shop-b-bbbbb', source, 1)]);
      const fallback = find(judgements, 'pqcFallback');
      expect(fallback).to.include({ level: 'Breach', absence: null });
      expect(fallback.breach.state).to.equal('held');
      const failures = find(judgements, 'pqcHandshakeFailures');
      expect(failures.absence).to.include({ reason: 'Empty' });
      expect(failures.breach.state).to.equal('none');
    });

    it(`is held by ${name} where the other series say that there is none`, async () => {
      const rows = [0, 1, 2].map((one) => row('shop-b-bbbbb', one, one === source ? 1 : 0));
      expect(find(await judged(rows), 'pqcFallback').breach.state).to.equal('held');
    });
  }

  it('is none while all three say so', async () => {
    const rows = [0, 1, 2].map((source) => row('shop-b-bbbbb', source, 0));
    const fallback = find(await judged(rows), 'pqcFallback');
    expect(fallback).to.deep.include({ level: 'Normal', breach: { state: 'none' } });
  });

  it('rolls nothing back where a pod of stable reports one, by whichever series', async () => {
    const rows = [row('shop-b-bbbbb', 0, 1), row('shop-a-bbbbb', 2, 1)];
    const fallback = find(await judged(rows), 'pqcFallback');
    expect(fallback).to.deep.include({ level: 'Critical', breach: { state: 'none' } });
  });

  it('counts of pods that are Ready alone', async () => {
    const fallback = find(await judged([row('shop-b-bbbbb', 0, 1)], null), 'pqcFallback');
    expect(fallback).to.deep.include({ level: 'Unknown', breach: { state: 'none' } });
  });
});
