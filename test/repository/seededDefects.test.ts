// Plants each defect of seededDefects.ts into a copy of the sources and runs the test that must
// notice it; without the defect the same test passes, which the other suites show.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { seededDefects } from './seededDefects.ts';
import type { SeededDefect } from './seededDefects.ts';

const root = join(import.meta.dirname, '..', '..');

interface Report {
  readonly passes: readonly { readonly title: string }[];
  readonly failures: readonly { readonly title: string }[];
}

async function runTest(folder: string, { testFile, title }: SeededDefect): Promise<Report> {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const only = ['--reporter=json', `--fgrep=${title}`];
  const child = spawn(process.execPath, [mocha, ...only, testFile], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return JSON.parse(output) as Report;
}

describe('a seeded defect', function () {
  this.timeout(60_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'x0tta-seeds-'));
    for (const part of ['src', 'test', 'package.json']) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  });

  after(() => rmSync(folder, { recursive: true }));

  for (const seed of seededDefects) {
    it(`is noticed: ${seed.defect}`, async () => {
      const path = join(folder, seed.file);
      const source = readFileSync(path, 'utf8');
      expect(source.split(seed.text), 'the text occurs once').to.have.lengthOf(2);
      writeFileSync(
        path,
        source.replace(seed.text, () => seed.replacement),
      );
      try {
        const { failures } = await runTest(folder, seed);
        // A suite that runs for several kinds has the same title in each.
        const titles = new Set(failures.map(({ title }) => title));
        expect([...titles]).to.deep.equal([seed.title]);
      } finally {
        writeFileSync(path, source);
      }
    });
  }

  it('stands in the list of docs/ with the test that notices it', () => {
    const list = readFileSync(join(root, 'docs', 'seeded-defects.md'), 'utf8').replaceAll(
      / +/g,
      ' ',
    );
    for (const { defect, file, testFile, title } of seededDefects) {
      expect(list).to.include(`| ${defect} | ${file} | ${testFile}: ${title} |`);
    }
  });
});
