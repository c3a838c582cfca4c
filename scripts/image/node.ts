// Gets Node for a platform from the npm package that the lock file pins. npm installs only the one
// of this machine, so each is fetched as a tarball and checked against the lock; nothing of it is
// run.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { imageCacheFolder } from './cache.ts';
import type { Platform } from './platforms.ts';
import { run } from './run.ts';

const root = join(import.meta.dirname, '../..');
const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({ version: z.string(), integrity: z.string() }).partial(),
  ),
});

/** Node for one platform. */
export interface NodeFiles {
  readonly version: string;
  readonly binary: Buffer;
  /** Its licence, with those of all that is compiled into it. */
  readonly license: Buffer;
}

/** Where the pinned Node lies, packed. */
export interface NodeTarball {
  readonly version: string;
  readonly path: string;
}

/** What the lock file says of a package. */
interface Pin {
  readonly version: string;
  /** As 'sha512-…' in base64. */
  readonly integrity: string;
}

/**
 * The tarball of Node for a platform, in the cache. @throws Error when npm has another than the
 * lock.
 */
export function fetchNode({ nodePackage }: Platform): NodeTarball {
  const pin = pinOf(nodePackage);
  return { version: pin.version, path: fetchTarball(nodePackage, pin) };
}

/** What the image needs of a tarball of Node. */
export function readNode({ version, path }: NodeTarball): NodeFiles {
  const read = (name: string): Buffer => run('tar', ['-xzOf', path, `package/${name}`]);
  return { version, binary: read('bin/node'), license: read('LICENSE') };
}

/** Path of the tarball in the cache, once it is what the lock says. */
function fetchTarball(name: string, pin: Pin): string {
  const cache = join(imageCacheFolder(), 'npm');
  const path = join(cache, `${name}-${pin.version}.tgz`);
  if (existsSync(path) && isIntact(path, pin)) return path;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, '.part-'));
  try {
    const target = ['--pack-destination', folder];
    run('npm', ['pack', `${name}@${pin.version}`, '--prefer-offline', ...target], { cwd: root });
    const fetched = join(folder, `${name}-${pin.version}.tgz`);
    if (!isIntact(fetched, pin))
      throw new Error(`${name}@${pin.version} from npm has not the hash in package-lock.json`);
    renameSync(fetched, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return path;
}

function pinOf(name: string): Pin {
  const lock = lockSchema.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined)
    throw new Error(`package-lock.json pins no ${name}`);
  return { version, integrity };
}

function isIntact(path: string, { integrity }: Pin): boolean {
  const [algorithm = '', expected] = integrity.split('-');
  return createHash(algorithm).update(readFileSync(path)).digest('base64') === expected;
}
