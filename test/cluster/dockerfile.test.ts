// The Dockerfile: what buildah makes of it has the files of `make image`. The base image is a
// stand-in with the programs of this machine, and its npm finds the packages installed, since a
// sandbox has no network.
import {
  chmodSync,
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
import * as z from 'zod';
import { imageCacheFolder } from '../../scripts/image/cache.ts';
import { imageConfig } from '../../scripts/image/config.ts';
import { imageContent } from '../../scripts/image/make.ts';
import { ownPlatform } from '../../scripts/image/platforms.ts';
import { runCommand } from './command.ts';
import { filesBelow } from './imageFiles.ts';

const root = join(import.meta.dirname, '../..');
const built = 'localhost/x0tta:test';
const inspectSchema = z.object({
  OCIv1: z.object({
    config: z.object({
      User: z.string(),
      Env: z.array(z.string()),
      Entrypoint: z.array(z.string()),
      Cmd: z.array(z.string()).optional(),
      Labels: z.record(z.string(), z.string()),
    }),
  }),
});

describe('the Dockerfile', function () {
  this.timeout(240_000);
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  const [, base = ''] = /^FROM \S+ (node:\S+) AS build$/m.exec(dockerfile) ?? [];
  let folder = '';

  const buildah = (...args: readonly string[]): Promise<string> =>
    runCommand('buildah', [
      `--root=${join(folder, 'store')}`,
      `--runroot=${join(folder, 'run')}`,
      '--storage-driver=vfs',
      ...args,
    ]);

  before(async () => {
    folder = mkdtempSync(join(process.env['X0TTA_SANDBOX_FOLDER'] ?? tmpdir(), 'x0tta-docker-'));
    const standIn = join(folder, 'base');
    writeStandIn(standIn);
    const container = (await buildah('from', 'scratch')).trim();
    await buildah('copy', container, standIn, '/');
    await buildah(
      'config',
      '--env=PATH=/build/node_modules/.bin:/stand-in:/usr/sbin:/usr/bin',
      `--env=X0TTA_CACHE=${join(imageCacheFolder(), '..')}`,
      '--env=APT_CONFIG=/stand-in/apt.conf',
      container,
    );
    await buildah('commit', container, `docker.io/library/${base}`);
    const shared = ['/usr', '/etc'].map((path) => `${path}:${path}:ro`);
    const volumes = [
      ...shared,
      `${join(root, 'node_modules')}:/build/node_modules:ro`,
      `${imageCacheFolder()}:${imageCacheFolder()}`,
    ];
    await buildah(
      'bud',
      '--isolation=chroot',
      '--pull-never',
      `--tag=${built}`,
      ...volumes.map((volume) => `--volume=${volume}`),
      root,
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('builds on the Node that is shipped', () => {
    expect(base).to.equal(`node:${process.versions.node}-bookworm-slim`);
  });

  it('makes the files of `make image`, with their modes and owners', async () => {
    const order = { platforms: [], freshness: 'cached', warn: console.error } as const;
    const { system, application } = await imageContent(ownPlatform(), order);
    const container = (await buildah('from', '--pull-never', built)).trim();
    const found = filesBelow((await buildah('mount', container)).trim());
    const expected = [...system.files, ...application].toSorted((a, b) =>
      a.path < b.path ? -1 : 1,
    );
    expect([...found.keys()]).to.deep.equal(expected.map(({ path }) => path));
    for (const { path, content, mode } of expected) {
      const file = found.get(path);
      expect(file?.content.equals(content), path).to.equal(true);
      expect({ mode: file?.mode, owner: file?.owner }, path).to.deep.equal({ mode, owner: '0:0' });
    }
  });

  it('starts the same, as the same user', async () => {
    const { user, entrypoint, env, labels } = imageConfig();
    const { OCIv1 } = inspectSchema.parse(
      JSON.parse(await buildah('inspect', '--type', 'image', built)),
    );
    const { 'io.buildah.version': _, ...own } = OCIv1.config.Labels;
    expect({ ...OCIv1.config, Labels: own }).to.deep.equal({
      User: user,
      Env: env,
      Entrypoint: entrypoint,
      Labels: labels,
    });
  });
});

/**
 * Links to where the machine's programs will be mounted, and an npm that has nothing left to do.
 */
function writeStandIn(folder: string): void {
  for (const name of ['stand-in', 'tmp', 'usr', 'etc', 'var'])
    mkdirSync(join(folder, name), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64'])
    symlinkSync(`usr/${name}`, join(folder, name));
  writeFileSync(join(folder, 'stand-in/npm'), '#!/bin/sh\n[ "$*" = ci ]\n');
  chmodSync(join(folder, 'stand-in/npm'), 0o755);
  writeFileSync(join(folder, 'stand-in/apt.conf'), 'Acquire::Retries "0";\n');
}
