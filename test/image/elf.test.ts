// What is read from an ELF file, and the libraries that are found by it.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { isElf, readElf } from '../../scripts/image/elf.ts';
import { librariesOf } from '../../scripts/image/libraries.ts';
import { platformNamed } from '../../scripts/image/platforms.ts';
import { checkMachines } from '../../scripts/image/system.ts';
import { elfFile } from './elfFile.ts';

const loader = '/lib64/ld-linux.so.2';

describe('an ELF file', () => {
  it('tells its machine, its loader and the libraries it names', () => {
    const file = elfFile({ machine: 183, interpreter: loader, needed: ['liba.so.1', 'libb.so.2'] });
    expect(readElf(file)).to.deep.equal({
      machine: 183,
      interpreter: loader,
      needed: ['liba.so.1', 'libb.so.2'],
    });
  });

  it('without a loader and libraries names none', () => {
    expect(readElf(elfFile({ machine: 62 }))).to.deep.equal({
      machine: 62,
      interpreter: undefined,
      needed: [],
    });
  });

  it('is told from other files by its first bytes', () => {
    expect(isElf(elfFile({ machine: 62 }))).to.equal(true);
    expect(isElf(Buffer.from('#!/bin/sh'))).to.equal(false);
    expect(isElf(Buffer.alloc(0))).to.equal(false);
  });

  it('of 32 bits is refused', () => {
    const file = elfFile({ machine: 62 });
    file[4] = 1;
    expect(() => readElf(file)).to.throw('not a 64-bit little-endian ELF file');
  });

  it('of another machine is refused with its path', () => {
    const files = [
      { path: 'etc/passwd', content: Buffer.from('root'), mode: 0o644 },
      { path: 'lib/liba.so.1', content: elfFile({ machine: 183 }), mode: 0o644 },
    ];
    checkMachines(files, platformNamed('linux/arm64'));
    expect(() => checkMachines(files, platformNamed('linux/amd64'))).to.throw(
      '/lib/liba.so.1 is for the ELF machine 183 and not for linux/amd64',
    );
  });
});

describe('the libraries of a binary', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'x0tta-libraries-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const put = (path: string, ...needed: readonly string[]): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), elfFile({ machine: 62, needed }));
  };
  const link = (path: string, target: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    symlinkSync(target, join(root, path));
  };
  const pathsFor = (...needed: readonly string[]): readonly string[] =>
    librariesOf(elfFile({ machine: 62, interpreter: loader, needed }), [
      join(root, 'libc6'),
      join(root, 'libstdc++6'),
    ]).map(({ path }) => path);

  it('are those that its libraries name too, each once and with the links resolved', () => {
    put('libc6/lib/x86_64-linux-gnu/ld-linux.so.2');
    link('libc6/lib64/ld-linux.so.2', '/lib/x86_64-linux-gnu/ld-linux.so.2');
    put('libc6/lib/x86_64-linux-gnu/libc.so.6', 'ld-linux.so.2');
    put('libstdc++6/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30', 'libc.so.6', 'libm.so.6');
    link('libstdc++6/usr/lib/x86_64-linux-gnu/libstdc++.so.6', 'libstdc++.so.6.0.30');
    put('libc6/lib/x86_64-linux-gnu/libm.so.6', 'libc.so.6');
    put('libc6/lib/x86_64-linux-gnu/libunused.so.1');
    expect(pathsFor('libstdc++.so.6')).to.have.members([
      'lib64/ld-linux.so.2',
      'lib/x86_64-linux-gnu/libc.so.6',
      'lib/x86_64-linux-gnu/libm.so.6',
      'usr/lib/x86_64-linux-gnu/libstdc++.so.6',
    ]);
  });

  it('include its loader at the path that the binary names, to be run', () => {
    put('libc6/usr/lib/x86_64-linux-gnu/ld-linux.so.2');
    const binary = elfFile({ machine: 62, interpreter: loader });
    const [found] = librariesOf(binary, [join(root, 'libc6')]);
    expect(found).to.include({ path: 'lib64/ld-linux.so.2', mode: 0o755 });
  });

  it('that no package has are named', () => {
    put('libc6/lib/ld-linux.so.2');
    expect(() => pathsFor('libnone.so.1')).to.throw('the library libnone.so.1 is in none of');
  });
});
