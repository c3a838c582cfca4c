// Tests of the generated CRD: nothing that a structural schema forbids, a description on every
// field, and every rule in its place.

import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { customResourceDefinition, rootSchema, structural } from '../../src/api/crd.ts';
import type { StructuralSchema } from '../../src/api/crd.ts';
import { allRules } from '../../src/api/rules.ts';
import { specSchema } from '../../src/api/spec.ts';

const FORBIDDEN = [
  '$ref',
  'const',
  'oneOf',
  'anyOf',
  'allOf',
  'not',
  'readOnly',
  'definitions',
  'uniqueItems',
  'exclusiveMinimum',
  'propertyNames',
];

interface Visit {
  readonly path: string;
  readonly schema: StructuralSchema;
}

function visits(schema: StructuralSchema, path: string): readonly Visit[] {
  const children = Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    visits(child, `${path}.${name}`),
  );
  const items = schema.items === undefined ? [] : visits(schema.items, `${path}[]`);
  const values =
    schema.additionalProperties === undefined
      ? []
      : visits(schema.additionalProperties, `${path}.*`);
  return [{ path, schema }, ...children, ...items, ...values];
}

const nodes = visits(rootSchema(), '');

describe('the schema of the CRD', () => {
  it('holds nothing that a structural schema forbids', () => {
    for (const { path, schema } of nodes) {
      const isIntOrString = schema['x-kubernetes-int-or-string'] === true;
      const types = isIntOrString ? [undefined] : ['object', 'array', 'string', 'integer'];
      expect(schema.type, path).to.be.oneOf(types);
      expect(Object.keys(schema), path).to.not.include.members(FORBIDDEN);
      for (const keyword of FORBIDDEN) expect(schema, path).to.not.have.property(keyword);
      const both = schema.properties !== undefined && schema.additionalProperties !== undefined;
      expect(both, `${path} has properties and additionalProperties`).to.equal(false);
    }
  });

  it('describes every field', () => {
    const silent = nodes.filter(({ path, schema }) => {
      const isField = path !== '.metadata' && !path.endsWith('[]') && !path.endsWith('.*');
      return isField && typeof schema['description'] !== 'string';
    });
    expect(silent.map(({ path }) => path)).to.deep.equal([]);
  });

  it('bounds every list, every map and every string that a rule can read', () => {
    for (const { path, schema } of nodes.filter((node) => node.path.startsWith('.spec'))) {
      if (schema.type === 'array') expect(schema, path).to.have.property('maxItems');
      if (schema.additionalProperties) expect(schema, path).to.have.property('maxProperties');
      if (schema.type === 'string' && schema['enum'] === undefined) {
        expect(schema, path).to.have.property('maxLength');
      }
    }
  });

  it('requires no field that has a default', () => {
    for (const { path, schema } of nodes) {
      for (const name of schema.required ?? []) {
        expect(schema.properties?.[name], `${path}.${name}`).to.not.have.property('default');
      }
    }
  });

  it('carries every rule, and no other', () => {
    const carried = nodes.flatMap(
      ({ schema }) => (schema['x-kubernetes-validations'] ?? []) as readonly { rule: string }[],
    );
    expect(new Set(carried.map(({ rule }) => rule))).to.deep.equal(
      new Set(allRules.map(({ rule }) => rule)),
    );
  });

  it('counts an object that nobody has looked at as not done', () => {
    expect(rootSchema().properties?.['status']?.['default']).to.deep.equal({
      observedGeneration: -1,
    });
  });
});

describe('structural', () => {
  it('names the place of a keyword that it cannot hold', () => {
    const schema = z.object({ a: z.object({ b: z.union([z.string(), z.int()]) }) });
    const json = z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' });
    expect(() => structural(json, 'x')).to.throw('x.a.b: anyOf');
    expect(() => structural({ type: 'string', const: 'a' }, 'y')).to.throw('y: const');
    expect(() => structural({ $ref: '#/z' }, 'z')).to.throw('z: $ref');
    expect(() => structural({ description: 'anything' }, 'w')).to.throw(
      'w: a structural schema needs',
    );
  });
});

describe('allRules', () => {
  it('have names of their own', () => {
    const names = allRules.map(({ name }) => name);
    expect(new Set(names).size).to.equal(names.length);
  });
});

describe('the CRD', () => {
  it('prints the columns that people look for', () => {
    const crd = JSON.stringify(customResourceDefinition());
    for (const column of [
      'Phase',
      'Step',
      'Weight',
      'Stable',
      'Canary',
      'Ready',
      'Reason',
      'Age',
    ]) {
      expect(crd).to.include(`"name":"${column}"`);
    }
  });
});

describe('docs/example.yaml', () => {
  it('is a spec as the schemas say', () => {
    const path = join(import.meta.dirname, '../../docs/example.yaml');
    const [document] = parseAllDocuments(readFileSync(path, 'utf8'));
    const object: unknown = document?.toJS();
    expect(z.object({ spec: specSchema }).safeParse(object).error).to.equal(undefined);
  });
});
