// Which fields and values of a schema another one lacks: a table of cases, and the whole status.
import { expect } from 'chai';
import { rootSchema } from '../../src/api/crd.ts';
import type { StructuralSchema } from '../../src/api/crd.ts';
import { childOf, missingFields, schemaOfKind } from '../../src/kube/crdSchema.ts';

const string = { type: 'string' };
const object = (properties: Record<string, StructuralSchema>): StructuralSchema => {
  return { type: 'object', properties };
};
const list = (items: StructuralSchema): StructuralSchema => ({ type: 'array', items });
const map = (additionalProperties: StructuralSchema): StructuralSchema => {
  return { type: 'object', additionalProperties };
};
const oneOf = (...values: readonly string[]): StructuralSchema => ({ ...string, enum: values });
const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

describe('what a served schema lacks', () => {
  for (const [title, wanted, served, missing] of [
    ['nothing, being the same', object({ a: string }), object({ a: string }), []],
    ['nothing, having more', object({ a: string }), object({ a: string, b: string }), []],
    ['a field', object({ a: string, b: string }), object({ a: string }), ['s.b']],
    [
      'a field as a whole, and not what is below it',
      object({ a: object({ b: string, c: string }) }),
      object({}),
      ['s.a'],
    ],
    [
      'fields of several levels, in order',
      object({ a: object({ b: string, c: string }), d: string }),
      object({ a: object({ b: string }) }),
      ['s.a.c', 's.d'],
    ],
    [
      "a field of a list's items",
      object({ a: list(object({ b: string })) }),
      object({ a: list(object({})) }),
      ['s.a[].b'],
    ],
    ['the items themselves', list(string), { type: 'array' }, ['s[]']],
    ["a field of a map's values", map(object({ b: string })), map(object({})), ['s.*.b']],
    ['the values of a map', map(string), { type: 'object' }, ['s.*']],
    ['no field, having them all for any name', object({ a: string }), map(string), []],
    ['a value of an enum', object({ a: oneOf('X', 'Y') }), object({ a: oneOf('X') }), ['s.a: Y']],
    ['no value, having no enum', oneOf('X', 'Y'), string, []],
    ['no value, having more', oneOf('X'), oneOf('Y', 'X'), []],
    ['nothing, keeping everything', object({ a: object({ b: string }) }), anything, []],
    ['everything, being absent', object({ a: string }), undefined, ['s']],
    ['everything, being no schema', object({ a: string }), 'odd', ['s']],
  ] as const) {
    it(`is ${title}`, () => expect(missingFields('s', wanted, served)).to.deep.equal(missing));
  }

  it('is nothing of our own status, and each field that is taken out of it', () => {
    const status = rootSchema().properties?.['status'] ?? {};
    expect(missingFields('status', status, structuredClone(status))).to.deep.equal([]);
    const older = structuredClone(status) as { properties: Record<string, unknown> };
    const { incidents } = older.properties as {
      incidents: { items: { properties: Record<string, unknown> } };
    };
    delete older.properties['worstSignal'];
    delete incidents.items.properties['heldFor'];
    older.properties['phase'] = oneOf('Stable', 'Progressing');
    expect(missingFields('status', status, older)).to.include.members([
      'status.worstSignal',
      'status.incidents[].heldFor',
      'status.phase: RolledBack',
    ]);
  });
});

describe('the schema of a kind', () => {
  const kinds = (...list_: readonly object[]) => ({ 'x-kubernetes-group-version-kind': list_ });
  const ours = { group: 'x0tta.io', version: 'v1alpha1', kind: 'X0ttaDeployment' };
  const ofOurs = { ...kinds(ours), properties: { status: anything } };

  it('is found by group, version and kind, and has its fields', () => {
    const document = {
      components: {
        schemas: {
          meta: {},
          list: kinds({ ...ours, kind: 'X0ttaDeploymentList' }),
          older: kinds({ ...ours, version: 'v1' }),
          ours: ofOurs,
        },
      },
    };
    const found = schemaOfKind(document, ours);
    expect(found).to.deep.equal(ofOurs);
    expect(childOf(found, 'status')).to.deep.equal(anything);
    expect(childOf(found, 'spec')).to.equal(undefined);
  });

  for (const document of [undefined, null, 'odd', {}, { components: { schemas: [] } }]) {
    it(`is in no ${JSON.stringify(document)}`, () => {
      expect(schemaOfKind(document, ours)).to.equal(undefined);
    });
  }
});
