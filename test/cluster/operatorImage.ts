// The operator's image for this machine, as the tests install it: made by what makes the released
// one, from what the cache has, since a sandbox has no network. It pushes nothing.
import { createHash } from 'node:crypto';
import { existsSync, globSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fetchInputs, makeImage } from '../../scripts/image/make.ts';
import type { ImageOrder } from '../../scripts/image/make.ts';
import { ownPlatform } from '../../scripts/image/platforms.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'dist/test-image');
const sources = [
  'src/**/*.ts',
  'scripts/bundle.ts',
  'scripts/image/*.ts',
  'package.json',
  'package-lock.json',
  'LICENSE',
];

/**
 * Folder of the OCI layout of the sources as they are, for this machine alone. Made by the first
 * call, and found by the next, also in another process. @throws Error when the cache lacks a
 * download that `scripts/prepare cluster` would have made.
 */
export async function imageLayout(): Promise<string> {
  const platform = ownPlatform();
  const order: ImageOrder = { platforms: [platform], freshness: 'cached', warn: console.error };
  const layout = join(folder, keyOf(order));
  if (existsSync(layout)) return layout;
  const old = existsSync(folder) ? readdirSync(folder) : [];
  await makeImage(layout, order);
  for (const name of old) rmSync(join(folder, name), { recursive: true, force: true });
  return layout;
}

function keyOf(order: ImageOrder): string {
  const hash = createHash('sha256');
  for (const path of globSync(sources, { cwd: root }).toSorted()) {
    hash.update(`${path}\n`).update(readFileSync(join(root, path)));
  }
  for (const { platform, packages } of fetchInputs(order)) {
    hash.update([platform.name, ...packages.map(({ sha256 }) => sha256)].join('\n'));
  }
  return hash.digest('hex').slice(0, 16);
}
