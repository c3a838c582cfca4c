// Writes files as a tar (ustar) that depends on nothing but them: sorted, with every folder, owned
// by root, of the year 1970. It writes no links, since the image has none.

/** A file of the image. */
export interface ImageFile {
  /** Path from the root, without a leading slash: 'etc/passwd'. */
  readonly path: string;
  readonly content: Buffer;
  /** Permission bits: 0o755 for what is run, 0o644 for the rest. */
  readonly mode: number;
}

interface Entry {
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly mode: number;
  readonly content: Buffer;
}

const blockBytes = 512;
const typeFlag = { file: '0', folder: '5' } as const;

/** The tar of some files. @throws Error on two files of one path, or a path over 255 bytes. */
export function tarOf(files: readonly ImageFile[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entriesOf(files)) {
    parts.push(headerOf(entry), entry.content);
    parts.push(Buffer.alloc(-entry.content.length & (blockBytes - 1)));
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

/** The entries by path, so that a folder stands before what is in it. */
function entriesOf(files: readonly ImageFile[]): readonly Entry[] {
  const entries = new Map<string, Entry>();
  for (const { path } of files) {
    const names = path.split('/');
    for (const length of names.keys()) {
      if (length === 0) continue;
      const folder = names.slice(0, length).join('/');
      entries.set(folder, { path: `${folder}/`, type: 'folder', mode: 0o755, content: noContent });
    }
  }
  for (const { path, content, mode } of files) {
    if (entries.has(path)) throw new Error(`two files of the image have the path ${path}`);
    entries.set(path, { path, type: 'file', mode, content });
  }
  return [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

const noContent = Buffer.alloc(0);

function headerOf({ path, type, mode, content }: Entry): Buffer {
  const header = Buffer.alloc(blockBytes);
  const { prefix, name } = splitPath(path);
  header.write(name, 0);
  header.write(octal(mode, 8), 100);
  header.write(octal(0, 8), 108); // user
  header.write(octal(0, 8), 116); // group
  header.write(octal(content.length, 12), 124);
  header.write(octal(0, 12), 136); // time
  header.write(' '.repeat(8), 148); // the sum is taken with blanks in its own place
  header.write(typeFlag[type], 156);
  header.write('ustar\u000000', 257, 'latin1');
  header.write(prefix, 345);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)}\u0000 `, 148, 'latin1');
  return header;
}

/** A path over 100 bytes is held in two parts, divided at a slash. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const prefix = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (Buffer.byteLength(prefix) <= 155 && name !== '' && Buffer.byteLength(name) <= 100)
      return { prefix, name };
  }
  throw new Error(`a path is too long for a tar: ${path}`);
}

/** A number in octal digits that fill a field but for its last byte, which ends it. */
function octal(value: number, fieldBytes: number): string {
  return value.toString(8).padStart(fieldBytes - 1, '0');
}
