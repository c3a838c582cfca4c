// The size of a status: whatever texts an object and its metric server bring, it stays under 64
// KiB, and what people need least goes first.
import { expect } from 'chai';
import { MAX_STATUS_BYTES, MAX_STATUS_TEXT } from '../../src/api/limits.ts';
import type { Incident, Status } from '../../src/api/schema.ts';
import type { SignalEvidence } from '../../src/core/evidence.ts';
import { withinBounds } from '../../src/core/statusBounds.ts';
import { cut } from '../../src/core/text.ts';
import { spec } from './canary.ts';
import { FakeCluster } from './fakeCluster.ts';

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

const texts = {
  ASCII: 'a',
  Cyrillic: 'ж',
  CJK: '合',
  emoji: '🚢',
  quotes: '"',
  controls: '\u0001',
};

describe('a text of the status', () => {
  for (const [name, character] of Object.entries(texts)) {
    it(`takes at most 1 KiB of its JSON, and whole characters: ${name}`, () => {
      const long = cut(character.repeat(3000));
      expect(bytesOf(long) - 2).to.be.within(MAX_STATUS_TEXT - 9, MAX_STATUS_TEXT);
      expect(long.replaceAll(character, '')).to.equal('…');
    });
  }

  it('stays whole when it fits', () => {
    for (const text of ['a'.repeat(1024), '合'.repeat(341), '', '🚢'.repeat(256)]) {
      expect(cut(text)).to.equal(text);
    }
  });
});

describe('the status', () => {
  for (const [name, character] of Object.entries(texts)) {
    it(`stays within its bound with sixteen long queries: ${name}`, () => {
      const query = character.repeat(2000);
      const signals = Array.from({ length: 16 }, (_, i) => ({
        name: `s${i}`,
        unit: 'count' as const,
        query,
        noData: 'Hold' as const,
        critical: { above: '3' },
      }));
      const cluster = new FakeCluster({ ...spec, signals });
      cluster.rollOut('b');
      const empty: SignalEvidence = {
        state: 'known',
        latest: { kind: 'value', points: [] },
        history: null,
        windowSeconds: 4,
        stepSeconds: 1,
        query,
        lookedFor: query,
        isWhole: true,
      };
      const evidence = Object.fromEntries(signals.map((signal) => [signal.name, empty]));
      cluster.nowMs += 3_000;
      cluster.evidence = { observedAtMs: cluster.nowMs, signals: evidence };
      cluster.settle();
      expect(cluster.status?.signals?.length).to.be.above(15);
      expect(bytesOf(cluster.status)).to.be.at.most(MAX_STATUS_BYTES);
    });
  }

  const long = 'x'.repeat(MAX_STATUS_TEXT);
  const incident = (id: string): Incident => ({
    id,
    alert: 'HIGH_ERROR_RATE',
    severity: 'Critical',
    revision: 'b',
    signal: 'errorRate',
    detectedAt: '2026-01-31T12:00:00.000Z',
    summary: long,
    query: long,
    value: long,
    evidence: [{ at: '2026-01-31T12:00:00.000Z', value: long }],
  });
  const status = (change: Partial<Status>): Status => ({ observedGeneration: 1, ...change });

  it('loses the oldest samples first, then the oldest incidents', () => {
    const ten = Array.from({ length: 10 }, (_, i) => incident(`b-${10 - i}`));
    const few = withinBounds(status({ incidents: [...ten, ...ten.slice(0, 5)] }));
    const samples = few.incidents?.map(({ evidence }) => evidence !== undefined);
    expect(few.incidents).to.have.lengthOf(15);
    expect(samples?.indexOf(false)).to.equal(samples?.filter(Boolean).length);
    const many = withinBounds(status({ incidents: [...ten, ...ten, ...ten] }));
    expect(many.incidents?.[0]?.id).to.equal('b-10');
    expect(many.incidents?.length).to.be.below(30);
    expect(bytesOf(many)).to.be.at.most(MAX_STATUS_BYTES);
  });

  it('loses the texts of signals when nothing else is left, and no signal', () => {
    const signals = Array.from({ length: 80 }, (_, i) => ({
      name: `s${i}`,
      level: 'Unknown' as const,
      message: long,
    }));
    const bounded = withinBounds(status({ signals, incidents: [incident('b-1')] }));
    expect(bounded.signals).to.have.lengthOf(80);
    expect(bounded.incidents).to.have.lengthOf(1);
    expect(bytesOf(bounded)).to.be.at.most(MAX_STATUS_BYTES);
  });
});
