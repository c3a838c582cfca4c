// What `make push` and `make package` do, with stand-ins for the programs that reach a registry.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

const root = join(import.meta.dirname, '../..');

describe('publishing', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'x0tta-publish-'));
    mkdirSync(join(folder, 'scripts'));
    mkdirSync(join(folder, 'programs'));
    for (const name of ['bash', 'dirname', 'sed']) {
      const found = execFileSync('sh', ['-c', `command -v ${name}`])
        .toString()
        .trim();
      symlinkSync(found, join(folder, 'programs', name));
    }
    cpSync(join(root, 'scripts/publish'), join(folder, 'scripts/publish'));
    writeFileSync(join(folder, 'package.json'), '{\n  "version": "1.2.3",\n  "name": "x"\n}\n');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const layImage = (): void => {
    mkdirSync(join(folder, 'dist/image'), { recursive: true });
    writeFileSync(join(folder, 'dist/image/index.json'), '{}');
  };
  const standIn = (name: string): void =>
    writeFileSync(join(folder, 'programs', name), `#!/bin/sh\necho ${name} "$@" >>calls\n`, {
      mode: 0o755,
    });
  const publish = (...args: readonly string[]): string => {
    const env = { PATH: join(folder, 'programs') };
    const child = spawnSync(join(folder, 'scripts/publish'), args, { env });
    return String(child.stderr);
  };
  const calls = (): string => readFileSync(join(folder, 'calls'), 'utf8');

  it('pushes the image under its version', () => {
    layImage();
    standIn('crane');
    expect(publish('image', 'host/path')).to.equal('');
    expect(calls()).to.equal('crane push dist/image host/path/x0tta:1.2.3\n');
  });

  it('packs the chart, and pushes it where a registry is named', () => {
    standIn('helm');
    expect(publish('chart', '')).to.equal('');
    expect(calls()).to.equal('helm package helm/x0tta --destination dist\n');
    expect(publish('chart', 'host/path')).to.equal('');
    expect(calls()).to.include('helm push dist/x0tta-1.2.3.tgz oci://host/path/charts\n');
  });

  it('says what is missing', () => {
    expect(publish('image', '')).to.include('make push REGISTRY=host/path');
    expect(publish('image', 'host/path')).to.include('run: make image');
    layImage();
    expect(publish('image', 'host/path')).to.include('crane is missing; run: go install');
    expect(publish('chart', '')).to.include('helm is missing; run: go install');
  });
});
