// The workflows, as actionlint reads them. They run nowhere here.
import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { binaryPath } from './binaries.ts';

const root = join(import.meta.dirname, '../..');

/** What actionlint prints of some files: nothing where all are valid. */
function findingsIn(paths: readonly string[]): string {
  const options = ['-oneline', '-no-color', '-shellcheck=', '-pyflakes='];
  const { status, stdout, stderr } = spawnSync(binaryPath('actionlint'), [...options, ...paths]);
  const text = `${String(stdout)}${String(stderr)}`;
  return status === 0 ? text : text || `actionlint ended with ${status}`;
}

describe('the workflows', () => {
  const paths = globSync('.github/workflows/*.yaml', { cwd: root }).map((path) => join(root, path));

  it('are valid', () => {
    expect(paths).to.have.length(2);
    expect(findingsIn(paths)).to.equal('');
  });

  it('would be refused with a wrong key', () => {
    const folder = mkdtempSync(join(tmpdir(), 'x0tta-workflow-'));
    try {
      for (const [index, path] of paths.entries()) {
        const broken = join(folder, `${index}.yaml`);
        writeFileSync(broken, readFileSync(path, 'utf8').replace('runs-on:', 'runs-onto:'));
        expect(findingsIn([broken]), path).to.include('unexpected key "runs-onto"');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
