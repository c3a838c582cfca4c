// The record that a ReplicaSet carries in its annotations: what is written is read back, and what
// cannot be read is as if it were not there.
import { expect } from 'chai';
import fc from 'fast-check';
import * as names from '../../src/api/names.ts';
import type { RevisionRecord } from '../../src/core/model.ts';
import { readRecord, writeRecord } from '../../src/reconcile/record.ts';

const time = fc.option(fc.integer({ min: 0, max: 4_102_444_800_000 }));
const incident = {
  id: 'b-1',
  alert: 'HIGH_ERROR_RATE',
  severity: 'Critical',
  revision: 'b',
  signal: 'errorRate',
  detectedAt: '2026-01-31T12:00:00.000Z',
  summary: 'a "quoted" summary',
} as const;

const record: fc.Arbitrary<RevisionRecord> = fc.record({
  role: fc.constantFrom('stable' as const, 'canary' as const, null),
  attempt: fc.nat(),
  attemptBegunMs: time,
  attemptStartMs: time,
  step: fc.nat(20),
  podsMissingSinceMs: time,
  stepStartMs: time,
  decidedWeight: fc.option(fc.nat(100)),
  stepWeight: fc.option(fc.nat(100)),
  rejected: fc.boolean(),
  incident: fc.constantFrom(incident, null),
  drainingSinceMs: time,
  downSinceMs: time,
  stableFloor: fc.option(fc.nat()),
  retriedBy: fc.option(fc.string({ minLength: 1 })),
  approvedStep: fc.nat(20),
  pausedBy: fc.option(fc.string({ minLength: 1 })),
  promotedMs: time,
});

function present(written: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(written).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
  );
}

describe('the record of a revision', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(readRecord(present(writeRecord(one)))).to.deep.equal(one);
      }),
    );
  });

  it('writes the given fields and no other; null removes', () => {
    expect(writeRecord({ step: 2, stepStartMs: null })).to.deep.equal({
      [names.STEP_ANNOTATION]: '2',
      [names.STEP_START_ANNOTATION]: null,
    });
  });

  it('takes what it cannot read for nothing', () => {
    const annotations = {
      [names.ROLE_ANNOTATION]: 'king',
      [names.ATTEMPT_ANNOTATION]: '-1',
      [names.STEP_ANNOTATION]: 'two',
      [names.STEP_START_ANNOTATION]: 'soon',
      [names.INCIDENT_ANNOTATION]: '{"id":',
      [names.STABLE_FLOOR_ANNOTATION]: '',
    };
    expect(readRecord(annotations)).to.deep.include({
      role: null,
      attempt: 0,
      step: 0,
      stepStartMs: null,
      incident: null,
      rejected: false,
    });
  });
});
