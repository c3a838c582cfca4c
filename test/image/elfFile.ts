// Makes small ELF files for tests: a header, the segments that the reader looks at, and nothing
// that could run.

/** What an ELF file is to say. */
export interface ElfContent {
  readonly machine: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
}

const headerBytes = 64;
const segmentBytes = 56;
// Loaded elsewhere than it lies in the file, so that a reader must translate.
const address = 0x400000;

/** The bytes of a 64-bit little-endian ELF file. */
export function elfFile({ machine, interpreter, needed = [] }: ElfContent): Buffer {
  const names = Buffer.from(`\0${[...needed, interpreter ?? ''].join('\0')}\0`);
  const nameAt = (name: string): number => names.indexOf(`\0${name}\0`) + 1;
  const namesAt = headerBytes + 3 * segmentBytes;
  const dynamicAt = namesAt + names.length;
  const dynamic = [
    [5n, BigInt(address + namesAt)],
    ...needed.map((name) => [1n, BigInt(nameAt(name))]),
    [0n, 0n],
    [1n, 0n], // past the end, so it counts for nothing
  ].flat();
  const size = dynamicAt + dynamic.length * 8;
  const segments = [
    { type: 1, offset: 0, bytes: size },
    { type: 2, offset: dynamicAt, bytes: dynamic.length * 8 },
    ...(interpreter === undefined
      ? []
      : [{ type: 3, offset: namesAt + nameAt(interpreter), bytes: interpreter.length }]),
  ];
  const file = Buffer.alloc(size);
  Buffer.from('7f454c46020101', 'hex').copy(file);
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(BigInt(headerBytes), 32);
  file.writeUInt16LE(segmentBytes, 54);
  file.writeUInt16LE(segments.length, 56);
  for (const [index, { type, offset, bytes }] of segments.entries()) {
    const at = headerBytes + index * segmentBytes;
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(BigInt(address + offset), at + 16);
    file.writeBigUInt64LE(BigInt(bytes), at + 32);
  }
  names.copy(file, namesAt);
  for (const [index, word] of dynamic.entries()) file.writeBigUInt64LE(word, dynamicAt + index * 8);
  return file;
}
