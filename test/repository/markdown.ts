// Reads the pages of Markdown of the project as tests look at them: links, anchors, code, tables.
// It knows as much of Markdown as these pages use.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface Page {
  /** Path in the project. */
  readonly file: string;
  readonly text: string;
}

/** A fenced block. */
export interface Fence {
  readonly language: string;
  readonly text: string;
  /** What a comment right before the block says, such as 'values' or 'runs: install'; else ''. */
  readonly mark: string;
}

const fence = /^(?:<!-- (.+) -->\n+)?```(\w*)\n([\s\S]*?)^```$/gm;
const span = /`([^`\n]+)`/g;

/** Every page of the project. */
export function readPages(): readonly Page[] {
  const files = globSync(['*.md', 'docs/**/*.md', 'helm/**/*.md', '.github/**/*.md'], {
    cwd: root,
  });
  return files.toSorted().map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));
}

export function fencesOf({ text }: Page): readonly Fence[] {
  return [...text.matchAll(fence)].map(([, mark = '', language = '', code = '']) => {
    return { language, text: code, mark };
  });
}

/** The code within lines, without its backticks. */
export function spansOf({ text }: Page): readonly string[] {
  return [...text.replace(fence, '').matchAll(span)].map(([, code = '']) => code);
}

/** Commands as readers type them: blocks of sh without comments, and code within lines. */
export function commandsOn(page: Page): readonly string[] {
  const blocks = fencesOf(page)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replaceAll(/\\\n\s*/g, '').split('\n'))
    .map((line) => line.replace(/(?:^|\s)#.*$/, ''));
  return [...blocks, ...spansOf(page)].filter((line) => line !== '');
}

/** Where the links and pictures of a page lead, as it is written. */
export function linksOf({ text }: Page): readonly string[] {
  const prose = text.replace(fence, '').replace(span, '');
  return [...prose.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** The anchors that GitHub gives to the headings of a page. */
export function anchorsOf({ text }: Page): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replace(fence, '').matchAll(/^#{1,6} (.+)$/gm)) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    let free = anchor;
    for (let n = 1; anchors.has(free); n++) free = `${anchor}-${n}`;
    anchors.add(free);
  }
  return anchors;
}

/** Text from a heading of the second level to the next one; undefined where there is none. */
export function sectionOf({ text }: Page, heading: string): string | undefined {
  const after = text.split(`\n## ${heading}\n`)[1];
  return after?.split(/^## /m)[0];
}

/** Cells of the rows of the first table in a text, without its heading. */
export function tableRows(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.startsWith('| -'));
  const rows: string[][] = [];
  for (const line of lines.slice(first + 1)) {
    if (!line.startsWith('|')) break;
    rows.push(
      line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim()),
    );
  }
  return first < 0 ? [] : rows;
}
