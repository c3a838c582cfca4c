// Reads what the image needs to know of an ELF file: its machine, its loader and the libraries that
// it names. 64-bit little-endian files only, since both platforms of the image have no other.

/** What an ELF file asks of the machine and of the file system. */
export interface Elf {
  /** e_machine: 62 for x86-64, 183 for AArch64. */
  readonly machine: number;
  /** Path of the loader; a library has none. */
  readonly interpreter: string | undefined;
  /** Names of the libraries that it is linked with, as 'libc.so.6'. */
  readonly needed: readonly string[];
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

const magic = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
const segmentType = { load: 1, dynamic: 2, interpreter: 3 } as const;
const dynamicTag = { end: 0, needed: 1, stringTable: 5 } as const;

/** Whether a file's content begins as an ELF file does. */
export function isElf(content: Buffer): boolean {
  return content.subarray(0, magic.length).equals(magic);
}

/** Reads an ELF file. @throws Error when it is none, or not 64-bit little-endian. */
export function readElf(content: Buffer): Elf {
  if (!isElf(content)) throw new Error('not an ELF file');
  if (content[4] !== 2 || content[5] !== 1) throw new Error('not a 64-bit little-endian ELF file');
  const segments = segmentsOf(content);
  const interpreter = segments.find(({ type }) => type === segmentType.interpreter);
  const dynamic = segments.find(({ type }) => type === segmentType.dynamic);
  return {
    machine: content.readUInt16LE(18),
    interpreter: interpreter && textAt(content, interpreter.offset),
    needed: dynamic === undefined ? [] : neededBy(content, dynamic, segments),
  };
}

function segmentsOf(content: Buffer): readonly Segment[] {
  const start = numberAt(content, 32);
  const entrySize = content.readUInt16LE(54);
  const count = content.readUInt16LE(56);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * entrySize;
    return {
      type: content.readUInt32LE(at),
      offset: numberAt(content, at + 8),
      address: numberAt(content, at + 16),
      size: numberAt(content, at + 32),
    };
  });
}

function neededBy(
  content: Buffer,
  dynamic: Segment,
  segments: readonly Segment[],
): readonly string[] {
  const names: number[] = [];
  let stringTable: number | undefined;
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    const tag = numberAt(content, at);
    if (tag === dynamicTag.end) break;
    if (tag === dynamicTag.needed) names.push(numberAt(content, at + 8));
    if (tag === dynamicTag.stringTable) stringTable = numberAt(content, at + 8);
  }
  if (names.length === 0) return [];
  const table = offsetOf(stringTable ?? -1, segments);
  return names.map((name) => textAt(content, table + name));
}

/** The place in the file of what is loaded at an address. */
function offsetOf(address: number, segments: readonly Segment[]): number {
  const segment = segments.find(
    ({ type, address: start, size }) =>
      type === segmentType.load && start <= address && address < start + size,
  );
  if (segment === undefined) throw new Error('an ELF file without a table of strings');
  return segment.offset + (address - segment.address);
}

function textAt(content: Buffer, offset: number): string {
  return content.toString('latin1', offset, content.indexOf(0, offset));
}

function numberAt(content: Buffer, offset: number): number {
  return Number(content.readBigUInt64LE(offset));
}
