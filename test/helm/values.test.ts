// The values of the chart: each is documented, used by a template, in the schema, and set by a test
// of the chart. What the templates make of them is for helm-unittest and the cluster tests.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isMap, isScalar, parseAllDocuments, parseDocument } from 'yaml';
import type { YAMLMap } from 'yaml';
import { configurationSchema } from '../../src/sources/configuration.ts';
import { PROFILE_NAMES } from '../../src/sources/profiles.ts';

const chart = join(import.meta.dirname, '..', '..', 'helm', 'x0tta');
const read = (path: string): string => readFileSync(join(chart, path), 'utf8');

interface Value {
  readonly path: string;
  /** Its own comment or that of a map around it. */
  readonly documented: boolean;
}

function valuesOf(map: YAMLMap, prefix = '', inherited = false): readonly Value[] {
  return map.items.flatMap((pair, index): readonly Value[] => {
    const { key, value } = pair;
    if (!isScalar(key)) return [];
    const path = prefix === '' ? String(key.value) : `${prefix}.${String(key.value)}`;
    // The parser gives the comment before a map's first key to the map.
    const comment = [key.commentBefore, index === 0 ? map.commentBefore : ''].join('\n');
    const documented = inherited || comment.includes('-- ');
    const children = isMap(value) ? valuesOf(value, path, documented) : [];
    return children.length > 0 ? children : [{ path, documented }];
  });
}

const document = parseDocument(read('values.yaml'));
const values = isMap(document.contents) ? valuesOf(document.contents) : [];

/** The path itself, and those of the maps around it. */
function withParents(path: string): readonly string[] {
  const parts = path.split('.');
  return parts.map((_, i) => parts.slice(0, i + 1).join('.')).toReversed();
}

function pathsOf(value: unknown, prefix = ''): readonly string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [prefix];
  const below = Object.entries(value).flatMap(([key, each]) =>
    pathsOf(each, prefix === '' ? key : `${prefix}.${key}`),
  );
  return [prefix, ...below];
}

interface Suite {
  readonly tests: readonly { readonly set?: object }[];
}

describe('the values of the chart', () => {
  it('are there', () => {
    expect(values.length).to.be.greaterThan(60);
  });

  it('are documented, each', () => {
    const undocumented = values.filter(({ documented }) => !documented);
    expect(undocumented.map(({ path }) => path)).to.deep.equal([]);
  });

  it('are used by a template, each', () => {
    const files = globSync('templates/**/*', { cwd: chart, withFileTypes: true });
    const text = files
      .filter((file) => file.isFile())
      .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
      .join('\n');
    const isUsed = (path: string): boolean =>
      withParents(path).some((each) => new RegExp(`\\.Values\\.${each}\\b(?!\\.)`).test(text));
    const unused = values.filter(({ path }) => !isUsed(path));
    expect(unused.map(({ path }) => path)).to.deep.equal([]);
  });

  it('are in the schema, each', () => {
    interface Schema {
      readonly properties?: Readonly<Record<string, Schema>>;
      readonly $defs?: Readonly<Record<string, Schema>>;
      readonly $ref?: string;
      readonly additionalProperties?: unknown;
    }
    const schema = JSON.parse(read('values.schema.json')) as Schema;
    const lacks = (path: string): boolean => {
      let node: Schema | undefined = schema;
      for (const part of path.split('.')) {
        if (node.$ref !== undefined) node = schema.$defs?.[node.$ref.split('/').at(-1) ?? ''];
        // An object of the API, whose fields the API server knows.
        if (node?.properties === undefined) return node === undefined;
        node = node.properties[part];
        if (node === undefined) return true;
      }
      return false;
    };
    expect(values.map(({ path }) => path).filter(lacks)).to.deep.equal([]);
  });

  it('of a metric server are the fields that the configuration has', () => {
    interface Definitions {
      readonly $defs: {
        readonly server: {
          readonly properties: { readonly profile: { readonly enum: readonly string[] } };
        };
      };
    }
    const { server } = (JSON.parse(read('values.schema.json')) as Definitions).$defs;
    const fields = Object.keys(configurationSchema.shape.servers.element.shape);
    expect(Object.keys(server.properties)).to.have.members(fields);
    expect(server.properties.profile.enum).to.have.members([...PROFILE_NAMES]);
  });

  it('are set by a test of the chart, each', () => {
    const suites = globSync('tests/*_test.yaml', { cwd: chart })
      .flatMap((name) => parseAllDocuments(read(name)))
      .map((each) => each.toJS() as Suite);
    const set = new Set(
      suites.flatMap(({ tests }) => tests).flatMap((each) => pathsOf(each.set ?? {})),
    );
    const untested = values.filter(({ path }) => !withParents(path).some((each) => set.has(each)));
    expect(untested.map(({ path }) => path)).to.deep.equal([]);
  });
});
