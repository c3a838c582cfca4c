// The tar of a layer, as the machine's own tar reads it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { tarOf } from '../../scripts/image/tar.ts';
import type { ImageFile } from '../../scripts/image/tar.ts';

const file = (path: string, text = path, mode = 0o644): ImageFile => ({
  path,
  content: Buffer.from(text),
  mode,
});
const list = (tar: Buffer, ...options: readonly string[]): string =>
  execFileSync('tar', ['-t', ...options, '-f', '-'], { input: tar }).toString();

describe('a tar', () => {
  it('holds the files, with their modes, at their paths', () => {
    const long = `${'licenses/'.repeat(15)}LICENSE`;
    const files = [
      file('usr/local/bin/node', 'x'.repeat(1_000), 0o755),
      file('etc/passwd', ''),
      file(long),
      file('a', 'y'.repeat(512)),
    ];
    const folder = mkdtempSync(join(tmpdir(), 'x0tta-tar-'));
    try {
      execFileSync('tar', ['-xpf', '-', '-C', folder], { input: tarOf(files) });
      for (const { path, content, mode } of files) {
        expect(readFileSync(join(folder, path)).equals(content), path).to.equal(true);
        expect(statSync(join(folder, path)).mode & 0o777, path).to.equal(mode);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names each folder once and before what is in it, in one order', () => {
    const files = [file('b/d/one'), file('b/c'), file('a')];
    expect(list(tarOf(files))).to.equal('a\nb/\nb/c\nb/d/\nb/d/one\n');
    expect(tarOf(files.toReversed()).equals(tarOf(files))).to.equal(true);
  });

  it('is of nobody in particular and of no time', () => {
    const tar = tarOf([file('a')]);
    const field = (at: number, bytes: number): string => tar.toString('latin1', at, at + bytes);
    expect([field(108, 8), field(116, 8), field(136, 12)]).to.deep.equal([
      '0000000\0',
      '0000000\0',
      '00000000000\0',
    ]);
  });

  it('is refused for two files of one path, and for a path too long', () => {
    expect(() => tarOf([file('a'), file('a')])).to.throw('two files of the image have the path a');
    expect(() => tarOf([file('a'), file('a/b')])).to.throw('the path a');
    expect(() => tarOf([file('x'.repeat(101))])).to.throw('a path is too long');
  });
});
