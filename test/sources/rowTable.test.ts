// Whose the rows of an answer are, and that they come out of their table as they went in.
import { expect } from 'chai';
import fc from 'fast-check';
import type { EvidenceTarget } from '../../src/core/evidence.ts';
import type { MetricRow, ProfileName } from '../../src/sources/port.ts';
import { PROFILES } from '../../src/sources/profiles.ts';
import { Revisions, RowTable, revisionNumber } from '../../src/sources/rowTable.ts';
import type { Wanted } from '../../src/sources/rowTable.ts';
import { evidenceTarget } from './settings.ts';

type Labels = Readonly<Record<string, string>>;

const canaryReplicaSet = 'shop-5d8c9bcdfg';
const target: EvidenceTarget = {
  ...evidenceTarget,
  canaryReplicaSet,
  stableReplicaSet: 'shop-7f6d8bcdfg',
};
const canary = revisionNumber(0, 'canary');
const stable = revisionNumber(0, 'stable');

function row(labels: Labels, ...values: readonly number[]): MetricRow {
  return { labels, samples: values.map((value, i) => [(i + 1) * 1_000, value]) };
}

function tableOf(
  rows: readonly MetricRow[],
  how: Partial<Pick<Wanted, 'isUsers' | 'isShared' | 'isWide'>> & {
    readonly profile?: ProfileName;
  },
  targets: readonly EvidenceTarget[] = [target],
): RowTable {
  const { profile = 'http', isUsers = false, isShared = false, isWide = true } = how;
  const { labels } = PROFILES[profile];
  const dialect = { profile: PROFILES[profile], labels, matchers: {}, scrapeIntervalMs: 1_000 };
  const revisions = new Revisions(targets, dialect);
  const table = new RowTable({ revisions, isUsers, isShared, isWide });
  for (const each of rows) table.add(each);
  return table;
}

const valuesOf = (rows: readonly MetricRow[]): number[] =>
  rows.flatMap(({ samples }) => samples.map(([, value]) => value));

describe('the rows of an answer', () => {
  it('belong to the revision that they name, or that their pod is named by', () => {
    const table = tableOf(
      [
        row({ namespace: 'mesh', x0tta_rs: canaryReplicaSet, code: '200' }, 1),
        row({ namespace: 'mesh', x0tta_rs: 'shop-7f6d8bcdfg', code: '200' }, 2),
        row({ namespace: 'mesh', pod: `${canaryReplicaSet}-x7x2z` }, 3),
      ],
      {},
    );
    expect(table.rowsOf(canary)).to.deep.equal([
      row({ code: '200' }, 1),
      row({ pod: `${canaryReplicaSet}-x7x2z` }, 3),
    ]);
    expect(table.rowsOf(stable)).to.deep.equal([row({ code: '200' }, 2)]);
    expect([table.has(canary), table.has(stable)]).to.deep.equal([true, true]);
  });

  const strangers: readonly (readonly [string, Labels])[] = [
    ['another namespace', { namespace: 'other', x0tta_rs: canaryReplicaSet }],
    ['no namespace', { x0tta_rs: canaryReplicaSet }],
    ['another ReplicaSet', { namespace: 'mesh', x0tta_rs: 'shop-b' }],
    ['a pod of no ReplicaSet', { namespace: 'mesh', pod: 'shop-0' }],
    ['neither', { namespace: 'mesh', code: '200' }],
    ['what a user’s query may name', { namespace: 'mesh', replicaset: canaryReplicaSet }],
    ['nothing at all', {}],
  ];
  for (const [what, labels] of strangers) {
    it(`belong to nobody where they name ${what}`, () => {
      const table = tableOf([row(labels, 1)], {});
      expect([table.has(canary), table.has(stable)]).to.deep.equal([false, false]);
      expect(table.rowsOf(canary)).to.deep.equal([]);
    });
  }

  it('of stable are left out where nobody compares with them', () => {
    const rows = [row({ namespace: 'mesh', x0tta_rs: 'shop-7f6d8bcdfg' }, 2)];
    expect(tableOf(rows, { isWide: false }).has(stable)).to.equal(false);
  });

  it('belong to every revision whose service and role they may name', () => {
    const other = { ...target, service: 'shop-canary', canaryReplicaSet: 'other-b' };
    const rows = [
      row({ service: 'mesh-shop-canary-80@kubernetes', code: '200' }, 1),
      row({ service: 'mesh-shop-stable-80@kubernetes', code: '200' }, 2),
      row({ service: 'mesh-shop-canary-canary-80@kubernetes', code: '200' }, 3),
      row({ service: 'mesh-shop-canary', code: '200' }, 4),
    ];
    const table = tableOf(rows, { profile: 'traefik' }, [target, other]);
    expect(valuesOf(table.rowsOf(canary))).to.deep.equal([1, 3]);
    expect(valuesOf(table.rowsOf(stable))).to.deep.equal([2]);
    expect(valuesOf(table.rowsOf(revisionNumber(1, 'canary')))).to.deep.equal([3]);
  });

  it('come out of a table that was given back as of a new one', () => {
    const { labels } = PROFILES.http;
    const dialect = { profile: PROFILES.http, labels, matchers: {}, scrapeIntervalMs: 1_000 };
    const revisions = new Revisions([target], dialect);
    const wanted = { revisions, isUsers: false, isShared: false, isWide: true };
    const first = revisions.takeTable(wanted);
    for (let i = 0; i < 9; i++) {
      first.add(row({ namespace: 'mesh', x0tta_rs: canaryReplicaSet, code: `${i}` }, i, i));
    }
    revisions.giveBack(first);
    const again = revisions.takeTable({ ...wanted, isUsers: true });
    expect(again).to.equal(first);
    expect([again.has(canary), again.rowsOf(canary)]).to.deep.equal([false, []]);
    again.add(row({ namespace: 'mesh', replicaset: canaryReplicaSet, code: '7' }, 42));
    expect(again.rowsOf(canary)).to.deep.equal([row({ code: '7' }, 42)]);
    expect(revisions.takeTable(wanted)).to.not.equal(again);
  });

  it('come out as they went in, but for whose they are', () => {
    const word = fc.constantFrom('', '0', '200', 'le', '__proto__', 'constructor', '+Inf', '😀');
    const labels = fc.dictionary(
      word.map((name) => `l${name}`),
      word,
      { maxKeys: 3 },
    );
    const samples = fc.array(fc.tuple(fc.nat(), fc.double()), { maxLength: 40 });
    const rowOf = fc.record({
      labels: fc.tuple(labels, fc.option(word)).map(([own, pod]) => {
        return pod === null ? { ...own } : { ...own, pod };
      }),
      samples,
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), rowOf), { maxLength: 60 }), (rows) => {
        const namesOf = (isStable: boolean): Labels => ({
          namespace: 'mesh',
          x0tta_rs: isStable ? 'shop-7f6d8bcdfg' : canaryReplicaSet,
        });
        const table = tableOf(
          rows.map(([isStable, own]) => ({
            ...own,
            labels: { ...namesOf(isStable), ...own.labels },
          })),
          {},
        );
        const of = (wanted: boolean): MetricRow[] =>
          rows.filter(([isStable]) => isStable === wanted).map(([, own]) => own);
        expect(table.rowsOf(canary)).to.deep.equal(of(false));
        expect(table.rowsOf(stable)).to.deep.equal(of(true));
      }),
    );
  });
});

describe('the rows of a user’s query', () => {
  const own = { namespace: 'mesh', replicaset: canaryReplicaSet };
  const valueOf = (...rows: readonly MetricRow[]): readonly number[] =>
    valuesOf(tableOf(rows, { isUsers: true, isWide: false }).rowsOf(canary));

  const whose: readonly (readonly [string, Labels, readonly number[]])[] = [
    ['its ReplicaSet', own, [7]],
    ['its pod-template-hash', { namespace: 'mesh', pod_template_hash: '5d8c9bcdfg' }, [7]],
    ['nothing at all', {}, [7]],
    ['another ReplicaSet', { ...own, replicaset: 'shop-6f7d8bcdfg' }, []],
    ['another of the same hash', { ...own, replicaset: 'a', pod_template_hash: '5d8c9bcdfg' }, []],
    ['another hash', { namespace: 'mesh', pod_template_hash: '6f7d8bcdfg' }, []],
    ['another namespace', { ...own, namespace: 'other' }, []],
    ['no namespace', { replicaset: canaryReplicaSet }, []],
    ['something else', { job: 'shop' }, []],
  ];
  for (const [what, named, values] of whose) {
    it(`${values.length > 0 ? 'are' : 'are not'} of the canary when they name ${what}`, () => {
      expect(valueOf(row(named, 7))).to.deep.equal(values);
    });
  }

  it('are of the one that is meant among many', () => {
    const others = ['a', 'b'].map((name) => row({ ...own, replicaset: name }, 1));
    expect(valueOf(...others, row(own, 7, NaN))).to.deep.equal([7, NaN]);
  });

  it('are of nobody where they name nothing and several objects ask', () => {
    const table = tableOf([row({}, 7)], { isUsers: true, isShared: true });
    expect(table.rowsOf(canary)).to.deep.equal([]);
  });

  it('are of nobody where they name nothing and there are more', () => {
    expect(valueOf(row({}, 1), row({ ...own, replicaset: 'other' }, 2))).to.deep.equal([]);
  });
});
