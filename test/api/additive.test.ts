// The CRD takes nothing back of those that were released, and what would be noticed: a table of
// changes that take something back, and one of those that only add.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { customResourceDefinition } from '../../src/api/crd.ts';
import type { StructuralSchema } from '../../src/api/crd.ts';
import { takenBack } from './additive.ts';
import type { Definition } from './additive.ts';

const folder = join(import.meta.dirname, 'released');
const released = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

const earlier: StructuralSchema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string', pattern: '^[a-z]+$', minLength: 2, maxLength: 63 },
    mode: { type: 'string', enum: ['Fast', 'Slow'] },
    at: { type: 'string', format: 'date-time' },
    note: { type: 'string' },
    replicas: { type: 'integer', minimum: 1, maximum: 9 },
    port: { 'x-kubernetes-int-or-string': true },
    any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    steps: {
      type: 'array',
      minItems: 1,
      maxItems: 5,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['weight'],
      items: { type: 'object', properties: { weight: { type: 'integer', maximum: 100 } } },
    },
    labels: {
      type: 'object',
      minProperties: 1,
      maxProperties: 4,
      additionalProperties: { type: 'string', maxLength: 8 },
    },
  },
};

/** A later schema whose field has these keywords; undefined takes one away. */
function having(field: string, change: Readonly<Record<string, unknown>>): StructuralSchema {
  const changed = { ...earlier.properties?.[field], ...change };
  return { ...earlier, properties: { ...earlier.properties, [field]: changed } };
}

function without(field: string): StructuralSchema {
  const left = Object.entries(earlier.properties ?? {}).filter(([name]) => name !== field);
  return { ...earlier, properties: Object.fromEntries(left) };
}

function definition(schema: StructuralSchema, name = 'v1', served = true): Definition {
  return { spec: { versions: [{ name, served, schema: { openAPIV3Schema: schema } }] } };
}

const integer = { type: 'integer' };
const step = { type: 'object', properties: { weight: { type: 'integer', maximum: 50 } } };

const losses: readonly (readonly [string, StructuralSchema, readonly string[]])[] = [
  ['a field that is gone', without('note'), ['v1.note']],
  [
    "a field of a list's items",
    having('steps', { items: { type: 'object' } }),
    ['v1.steps[].weight'],
  ],
  ['the items of a list', having('steps', { items: undefined }), ['v1.steps[]']],
  ['the values of a map', having('labels', { additionalProperties: undefined }), ['v1.labels.*']],
  ['a value of an enum', having('mode', { enum: ['Fast'] }), ['v1.mode: Slow']],
  ['a new enum', having('note', { enum: ['Long'] }), ['v1.note: an enum']],
  [
    'a field that is required now',
    { ...earlier, required: ['name', 'note'] },
    ['v1: note required'],
  ],
  [
    'a new field that is required',
    { ...having('more', { type: 'string' }), required: ['name', 'more'] },
    ['v1: more required'],
  ],
  ['a smaller maximum', having('replicas', { maximum: 8 }), ['v1.replicas: maximum 8']],
  ['a maximum where none was', having('note', { maxLength: 9 }), ['v1.note: maxLength 9']],
  ['a smaller maxLength', having('name', { maxLength: 62 }), ['v1.name: maxLength 62']],
  ['a smaller maxItems', having('steps', { maxItems: 4 }), ['v1.steps: maxItems 4']],
  [
    'a smaller maxProperties',
    having('labels', { maxProperties: 3 }),
    ['v1.labels: maxProperties 3'],
  ],
  [
    "a bound of a list's items",
    having('steps', { items: step }),
    ['v1.steps[].weight: maximum 50'],
  ],
  [
    "a bound of a map's values",
    having('labels', { additionalProperties: { type: 'string', maxLength: 7 } }),
    ['v1.labels.*: maxLength 7'],
  ],
  ['a larger minimum', having('replicas', { minimum: 2 }), ['v1.replicas: minimum 2']],
  ['a minimum where none was', having('note', { minLength: 1 }), ['v1.note: minLength 1']],
  ['a larger minLength', having('name', { minLength: 3 }), ['v1.name: minLength 3']],
  ['a larger minItems', having('steps', { minItems: 2 }), ['v1.steps: minItems 2']],
  [
    'a larger minProperties',
    having('labels', { minProperties: 2 }),
    ['v1.labels: minProperties 2'],
  ],
  ['another type', having('note', integer), ['v1.note: type integer']],
  [
    'a type in place of a number or a string',
    having('port', { ...integer, 'x-kubernetes-int-or-string': undefined }),
    ['v1.port: type integer', 'v1.port: x-kubernetes-int-or-string gone'],
  ],
  ['another format', having('at', { format: 'date' }), ['v1.at: format date']],
  ['another pattern', having('name', { pattern: '^a' }), ['v1.name: pattern ^a']],
  ['a pattern where none was', having('note', { pattern: '^a' }), ['v1.note: pattern ^a']],
  [
    'another kind of list',
    having('steps', { 'x-kubernetes-list-type': 'atomic' }),
    ['v1.steps: x-kubernetes-list-type atomic'],
  ],
  [
    'other keys of a list',
    having('steps', { 'x-kubernetes-list-map-keys': ['weight', 'hold'] }),
    ['v1.steps: x-kubernetes-list-map-keys ["weight","hold"]'],
  ],
  [
    'fields of any name',
    having('any', { 'x-kubernetes-preserve-unknown-fields': undefined }),
    ['v1.any: fields dropped'],
  ],
];

const additions: readonly (readonly [string, StructuralSchema])[] = [
  ['nothing', earlier],
  ['a field', having('more', { type: 'object', required: ['a'], properties: { a: integer } })],
  ['a value of an enum', having('mode', { enum: ['Fast', 'Slow', 'Slower'] })],
  ['every value', having('mode', { enum: undefined })],
  ['room above', having('replicas', { maximum: 10 })],
  ['room below', having('replicas', { minimum: 0 })],
  ['all room', having('steps', { minItems: undefined, maxItems: undefined })],
  ['a bound that changes nothing', having('note', { minLength: 0 })],
  ['leave to omit a field', { ...earlier, required: [] }],
  ['a text', having('note', { description: 'What it is.' })],
];

describe('the CRD and those that were released', () => {
  it('include one at least', () => expect(released).to.not.be.empty);

  for (const name of released) {
    it(`takes nothing back of ${name}`, () => {
      const before = parse(readFileSync(join(folder, name), 'utf8')) as Definition;
      const present = customResourceDefinition() as unknown as Definition;
      expect(takenBack(before, present)).to.deep.equal([]);
    });
  }
});

describe('what a later CRD takes back', () => {
  for (const [title, later, told] of losses) {
    it(`is ${title}`, () => {
      expect(takenBack(definition(earlier), definition(later))).to.deep.equal(told);
    });
  }

  it('is a version', () => {
    const gone = ['v1 is not served'];
    expect(takenBack(definition(earlier), definition(earlier, 'v2'))).to.deep.equal(gone);
    expect(takenBack(definition(earlier), definition(earlier, 'v1', false))).to.deep.equal(gone);
  });

  for (const [title, later] of additions) {
    it(`is nothing where it adds ${title}`, () => {
      expect(takenBack(definition(earlier), definition(later))).to.deep.equal([]);
    });
  }
});
