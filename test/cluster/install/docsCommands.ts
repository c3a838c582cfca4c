// Reads out of a page of the documentation what has to run as it is written: blocks of commands and
// files. A comment before a block marks it, which no reader sees. It runs nothing.
//
//   <!-- runs: install -->              commands, the block is sh
//   <!-- file: deploy/site/a.yaml -->   the text of a file
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const marked = /^<!-- (runs|file): (\S+) -->\n+```(\w+)\n([\s\S]*?)^```$/gm;

interface Block {
  readonly mark: 'runs' | 'file';
  /** Of the commands, or the path of the file. */
  readonly name: string;
  readonly language: string;
  readonly text: string;
}

/**
 * The commands of the block with this name, one an entry; a line that ends with a backslash is
 * joined with the next. They are to be run in the folder of the checkout.
 * @param file path of the page, relative to the folder of the project
 * @throws Error when the page has no such block, or several
 */
export function commandsOf(file: string, name: string): readonly string[] {
  return commandsIn(readPage(file), name, file);
}

/** As `commandsOf`, of the text of a page; `file` is its name for messages. */
export function commandsIn(page: string, name: string, file: string): readonly string[] {
  const found = blocksOf(page).filter((block) => block.mark === 'runs' && block.name === name);
  const [block] = found;
  if (block === undefined || found.length > 1) {
    throw new Error(`${file} has ${found.length} blocks that are marked <!-- runs: ${name} -->`);
  }
  if (block.language !== 'sh') {
    throw new Error(`${file}: the block ${name} is ${block.language}, and commands are sh`);
  }
  const lines = block.text.replaceAll(/\\\n\s*/g, '').split('\n');
  return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

/** Names of the blocks of commands, in the order of the page. */
export function commandNamesOf(file: string): readonly string[] {
  return blocksOf(readPage(file)).flatMap(({ mark, name }) => (mark === 'runs' ? [name] : []));
}

/** Text of each file that the page has the reader write, by its path in the checkout. */
export function filesOf(file: string): ReadonlyMap<string, string> {
  const files = blocksOf(readPage(file)).filter(({ mark }) => mark === 'file');
  return new Map(files.map(({ name, text }) => [name, text]));
}

function readPage(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

function blocksOf(page: string): readonly Block[] {
  return [...page.matchAll(marked)].map(([, mark, name = '', language = '', text = '']) => {
    return { mark: mark === 'runs' ? 'runs' : 'file', name, language, text };
  });
}
