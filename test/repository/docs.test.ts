// The documentation against the project: what it names is there. Whether its sentences are true is
// for docsFacts.test.ts as far as a list can say it, and for whoever reads them.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { ACTION_VERBS } from '../../src/api/actions.ts';
import { commandNamesOf, commandsOf, filesOf } from '../cluster/install/docsCommands.ts';
import { anchorsOf, commandsOn, fencesOf, linksOf, readPages, spansOf } from './markdown.ts';
import type { Page } from './markdown.ts';

const root = join(import.meta.dirname, '../..');
const pages = readPages();
const pageOf = new Map(pages.map((page) => [page.file, page]));
const written = new Set(pages.flatMap(({ file }) => [...filesOf(file).keys()]));

/** What is wrong on each page, as `page: what`. */
function problems(find: (page: Page) => readonly string[]): readonly string[] {
  return pages.flatMap((page) => find(page).map((what) => `${page.file}: ${what}`));
}

function firstGroups(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, group = '']) => group);
}

describe('links of the documentation', () => {
  it('lead to files and headings that are there', () => {
    const isDead = ({ file }: Page, link: string): boolean => {
      if (/^[a-z]+:/.test(link)) return false;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? file : normalize(join(dirname(file), path));
      if (!existsSync(join(root, target))) return true;
      if (anchor === undefined) return false;
      const page = pageOf.get(target);
      return page === undefined || !anchorsOf(page).has(anchor);
    };
    expect(problems((page) => linksOf(page).filter((link) => isDead(page, link)))).to.deep.equal(
      [],
    );
  });

  it('lead to every page of docs/ from the README', () => {
    const linked = new Set(pages.filter(({ file }) => file === 'README.md').flatMap(linksOf));
    const own = ['docs/seeded-defects.md'];
    const unlinked = pages
      .map(({ file }) => file)
      .filter((file) => dirname(file) === 'docs' && !linked.has(file) && !own.includes(file));
    expect(unlinked).to.deep.equal([]);
  });
});

describe('commands of the documentation', () => {
  it('name targets that the Makefile has', () => {
    const makefile = readFileSync(join(root, 'Makefile'), 'utf8');
    const targets = new Set(firstGroups(makefile, /^([a-z][a-z-]*):/gm));
    const unknown = problems((page) =>
      commandsOn(page)
        .flatMap((line) => firstGroups(line, /(?:^|[;&|] )make ([a-z][a-z-]*)/g))
        .filter((target) => !targets.has(target)),
    );
    expect(targets).to.include('demo').and.include('test');
    expect(unknown).to.deep.equal([]);
  });

  it('name files of the project that are there, or that the page has written before', () => {
    const path = /(?<![\w/.:-])((?:bench|crds|deploy|docs|helm|scripts|src|test)\/[\w/.-]*\w)/g;
    const missing = problems((page) =>
      commandsOn(page)
        .flatMap((line) => firstGroups(line, path))
        .filter((name) => !existsSync(join(root, name)))
        .filter((name) => ![...written].some((file) => `${file}/`.startsWith(`${name}/`))),
    );
    expect(missing).to.deep.equal([]);
  });

  it('ask for actions that there are', () => {
    const verbs = new Set<string>(ACTION_VERBS);
    const asked = pages.flatMap(({ text }) => firstGroups(text, /x0tta\.io\/action[=:] ?(\w+)\//g));
    expect(asked).to.include('rollback').and.include('retry');
    expect(asked.filter((verb) => !verbs.has(verb))).to.deep.equal([]);
  });

  it('are the same on the README as on the page of the installation', () => {
    const names = commandNamesOf('README.md');
    expect(names).to.include('install');
    for (const name of names) {
      expect(commandsOf('README.md', name), name).to.deep.equal(
        commandsOf('docs/install.md', name),
      );
    }
  });

  it('have no place to fill in where they run', () => {
    const blocks = problems(({ file }) =>
      commandNamesOf(file).flatMap((name) =>
        commandsOf(file, name).filter((line) => /<[a-z]|…|\$[A-Z]|example\.com/.test(line)),
      ),
    );
    expect(blocks).to.deep.equal([]);
  });
});

describe('values of the chart in the documentation', () => {
  const chart = readFileSync(join(root, 'helm/x0tta/values.yaml'), 'utf8');
  const values = parse(chart) as Readonly<Record<string, unknown>>;

  interface ValuesSchema {
    readonly $defs: { readonly server: { readonly properties: object } };
  }
  const schemaText = readFileSync(join(root, 'helm/x0tta/values.schema.json'), 'utf8');
  const { $defs } = JSON.parse(schemaText) as ValuesSchema;

  /**
   * What the chart leaves empty is a map or a list of the user's own, and prometheus may have every
   * field of a server.
   */
  function isKnown(path: readonly string[], within: unknown = values): boolean {
    const [key, ...rest] = path;
    if (key === undefined) return true;
    if (key === 'prometheus' && Object.hasOwn($defs.server.properties, rest[0] ?? '')) return true;
    if (typeof within !== 'object' || within === null || Array.isArray(within)) return false;
    if (Object.keys(within).length === 0) return within !== values;
    return Object.hasOwn(within, key) && isKnown(rest, Reflect.get(within, key));
  }

  function pathsIn(given: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return [path];
    return Object.entries(given).flatMap(([key, below]) => pathsIn(below, [...path, key]));
  }

  it('exist where --set sets them', () => {
    const set = /--set(?:-string|-json)?[= ]['"]?([\w.]+)=/g;
    const unknown = problems((page) =>
      commandsOn(page)
        .flatMap((line) => firstGroups(line, set))
        .filter((path) => !isKnown(path.split('.'))),
    );
    expect(unknown).to.deep.equal([]);
  });

  it('exist where a file sets them', () => {
    const isFile = (mark: string): boolean => mark === 'values' || mark.endsWith('-values.yaml');
    const blocks = pages.flatMap(fencesOf).filter(({ mark }) => isFile(mark));
    const unknown = blocks
      .flatMap(({ text }) => pathsIn(parse(text)))
      .filter((path) => !isKnown(path));
    expect(blocks.length).to.be.greaterThan(2);
    expect(unknown).to.deep.equal([]);
  });

  it('exist where a sentence names them', () => {
    const chapters = /^(?:README|docs\/(?:install|configuration|security|operations))\.md$/;
    const named = problems((page) =>
      chapters.test(page.file)
        ? spansOf(page)
            .flatMap((code) => firstGroups(code, /^([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?:=\S*|\.\*)?$/g))
            .filter((path) => Object.hasOwn(values, path.split('.')[0] ?? ''))
            .filter((path) => !isKnown(path.split('.')))
        : [],
    );
    expect(named).to.deep.equal([]);
  });
});
