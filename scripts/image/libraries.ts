// Finds what a dynamic binary needs to start, in unpacked Debian packages, from what the ELF files
// name. It runs nothing, so it works for the machines of other platforms too.
import { globSync, lstatSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readElf } from './elf.ts';
import type { ImageFile } from './tar.ts';

const libraryFolders = ['lib', 'lib64', 'usr/lib', 'usr/lib64'];

/**
 * The loader of a binary, and all libraries that it or one of them names, at the paths where the
 * loader looks for them.
 * @param folders of unpacked packages, looked into in this order
 * @throws Error on a binary without a loader, and when a library is in no folder
 */
export function librariesOf(binary: Buffer, folders: readonly string[]): readonly ImageFile[] {
  const { interpreter, needed } = readElf(binary);
  if (interpreter === undefined) throw new Error('a binary without a loader needs no libraries');
  const loader = basename(interpreter);
  const found = new Map<string, ImageFile>();
  const wanted = [loader, ...needed];
  for (let name = wanted.shift(); name !== undefined; name = wanted.shift()) {
    if (found.has(name)) continue;
    const library = libraryNamed(name, folders);
    wanted.push(...readElf(library.content).needed);
    // The binary says where its loader is; the loader knows where the others are.
    const place = name === loader ? { path: interpreter.slice(1), mode: 0o755 } : {};
    found.set(name, { ...library, ...place });
  }
  return [...found.values()];
}

function libraryNamed(name: string, folders: readonly string[]): ImageFile {
  const patterns = libraryFolders.flatMap((place) => [
    `${place}/${name}`,
    `${place}/*-linux-gnu/${name}`,
  ]);
  for (const folder of folders) {
    const [path] = globSync(patterns, { cwd: folder });
    if (path === undefined) continue;
    return { path, content: readFileSync(linkedFile(folder, path)), mode: 0o644 };
  }
  throw new Error(
    `the library ${name} is in none of the Debian packages that the image is made of`,
  );
}

/** A file of an unpacked package, whose links mean the root of a machine. */
export function linkedFile(folder: string, path: string): string {
  const whole = join(folder, path);
  if (!lstatSync(whole).isSymbolicLink()) return whole;
  const target = readlinkSync(whole);
  return linkedFile(folder, target.startsWith('/') ? target : join(dirname(path), target));
}
