// Lists of the documentation against what they list: rights, reasons, fields of the configuration,
// flags.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { isMap, isSeq, parse, parseAllDocuments } from 'yaml';
import * as z from 'zod';
import { REASONS } from '../../src/api/reasons.ts';
import type { Reason } from '../../src/api/reasons.ts';
import { helpText } from '../../src/cli/flags.ts';
import { configurationSchema, parseConfiguration } from '../../src/sources/configuration.ts';
import { filesOf } from '../cluster/install/docsCommands.ts';
import { fencesOf, readPages, sectionOf, tableRows } from './markdown.ts';
import type { Page } from './markdown.ts';

const root = join(import.meta.dirname, '../..');
const pages = readPages();

function page(file: string): Page {
  const found = pages.find((each) => each.file === file);
  if (found === undefined) throw new Error(`there is no ${file}`);
  return found;
}

const withoutCode = (cell: string): string => cell.replaceAll('`', '');

describe('the table of rights in docs/security.md', () => {
  interface Rule {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly resourceNames?: readonly string[];
    readonly verbs: readonly string[];
  }

  /** Rules by the kind that has them: lines with a template's braces name no right. */
  function rulesOfChart(): ReadonlyMap<string, readonly Rule[]> {
    const template = readFileSync(join(root, 'helm/x0tta/templates/rbac.yaml'), 'utf8');
    const plain = template.replaceAll(/^.*\{\{.*\n/gm, '');
    const rules = new Map<string, readonly Rule[]>();
    for (const document of parseAllDocuments(plain)) {
      const { contents } = document;
      if (isSeq(contents)) rules.set('ClusterRole x0tta', contents.toJSON() as Rule[]);
      const own = isMap(contents) ? contents.get('rules') : null;
      if (isSeq(own)) rules.set('Role x0tta-lease', own.toJSON() as Rule[]);
    }
    return rules;
  }

  for (const [role, rules] of rulesOfChart()) {
    it(`is that of the chart's ${role}`, () => {
      const [, after = ''] = page('docs/security.md').text.split(`<!-- rights: ${role} -->`);
      const rows = tableRows(after);
      const of = rules.map(({ apiGroups, resources, resourceNames, verbs }) => {
        const group = apiGroups.map((name) => (name === '' ? 'core' : name)).join(', ');
        const names = resourceNames === undefined ? '' : ` named ${resourceNames.join(', ')}`;
        return [group, resources.join(', ') + names, verbs.join(', ')];
      });
      expect(rows.map(([group, resources, verbs]) => [group, resources, verbs])).to.deep.equal(of);
      expect(rows.filter(([, , , why = '']) => why === '')).to.deep.equal([]);
    });
  }

  it('has both roles of the chart', () => {
    expect([...rulesOfChart().keys()]).to.deep.equal(['ClusterRole x0tta', 'Role x0tta-lease']);
  });
});

describe('troubleshooting by reason', () => {
  /** Nothing waits and nobody has to act; every other reason is explained. */
  const fine: readonly Reason[] = [
    'Available',
    'FirstRollout',
    'Promoted',
    'Stable',
    'RolloutStarted',
    'StepStarted',
    'Holding',
    'Promoting',
    'Baking',
    'EvidenceAvailable',
    'NotRolledBack',
    'ActionAccepted',
    'WeightsConfirmed',
    'Clear',
  ];

  it('explains every reason but those that ask for nothing, once', () => {
    const sections = pages.flatMap((each) => sectionOf(each, 'Troubleshooting by reason') ?? []);
    expect(sections).to.have.lengthOf(1);
    const explained = (sections[0] ?? '').matchAll(/^- ((?:`[A-Z]\w+`(?:, )?)+):/gm);
    const names = [...explained].flatMap(([, list = '']) => withoutCode(list).split(', '));
    const expected = Object.keys(REASONS).filter(
      (name) => !(fine as readonly string[]).includes(name),
    );
    expect(names.toSorted()).to.deep.equal(expected.toSorted());
  });
});

describe('docs/configuration.md', () => {
  const configuration = page('docs/configuration.md');

  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly items?: Schema;
    readonly default?: unknown;
  }

  /** Every field with what stands for it where it is left out. */
  function fieldsOf(schema: Schema, path = ''): readonly (readonly [string, Schema])[] {
    const inside = schema.items?.properties === undefined ? schema : schema.items;
    const prefix = inside === schema ? path : `${path}[]`;
    const below = Object.entries(inside.properties ?? {}).flatMap(([name, each]) =>
      fieldsOf(each, prefix === '' ? name : `${prefix}.${name}`),
    );
    return path === '' ? below : [[path, schema], ...below];
  }

  const fields = new Map(
    fieldsOf(
      z.toJSONSchema(configurationSchema, { io: 'input', unrepresentable: 'any' }) as Schema,
    ),
  );
  const rows = new Map(
    tableRows(sectionOf(configuration, 'Fields') ?? '').map(([field = '', left = '']) => [
      withoutCode(field),
      left,
    ]),
  );

  it('lists every field, and no other', () => {
    const leaves = [...fields].filter(([, { properties }]) => properties === undefined);
    const unlisted = leaves.map(([path]) => path).filter((path) => !rows.has(path));
    expect(unlisted).to.deep.equal([]);
    expect([...rows.keys()].filter((path) => !fields.has(path))).to.deep.equal([]);
  });

  it('says the defaults', () => {
    const given = [...fields].filter(([, { default: is }]) => typeof is === 'string');
    const said = given.map(([path]) => [path, rows.get(path)]);
    expect(said).to.deep.equal(given.map(([path, { default: is }]) => [path, `\`${String(is)}\``]));
    expect(said.length).to.be.greaterThan(2);
  });

  it('has examples that the operator reads, as the page of the installation has', () => {
    const blocks = fencesOf(configuration).filter(({ language }) => language === 'yaml');
    const files = blocks.filter(({ mark }) => mark === '').map(({ text }) => text);
    files.push(filesOf('docs/install.md').get('deploy/overlays/site/config.yaml') ?? '');
    expect(files).to.have.length.greaterThan(1);
    for (const text of files) expect(() => parseConfiguration(text, 'docs')).not.to.throw();
  });

  it('has values of the chart of which a file is made that the operator reads', () => {
    interface Values {
      readonly prometheus: object;
      readonly servers?: readonly object[];
      readonly defaultServer?: string;
    }
    const blocks = fencesOf(configuration).filter(({ mark }) => mark === 'values');
    expect(blocks).to.have.length.greaterThan(1);
    for (const { text } of blocks) {
      const { prometheus, servers = [], defaultServer } = parse(text) as Values;
      const file = { servers: [{ name: 'main', ...prometheus }, ...servers], defaultServer };
      expect(() => parseConfiguration(JSON.stringify(file), 'docs')).not.to.throw();
    }
  });

  it('lists the flags that --help lists, with their defaults', () => {
    const helped = [...helpText('0').matchAll(/^ {2}(--\S+(?: \S+)?) {2,}(.*)$/gm)];
    const listed = tableRows(sectionOf(configuration, 'Flags') ?? '');
    expect(listed.map(([flag = '']) => withoutCode(flag))).to.deep.equal(
      helped.map(([, flag]) => flag),
    );
    for (const [i, [, flag, help = '']] of helped.entries()) {
      const is = /\(default: (\S*\d\S*|info)\)$/.exec(help)?.[1];
      if (is !== undefined) expect(listed[i]?.[1], flag).to.equal(`\`${is}\``);
    }
  });
});
