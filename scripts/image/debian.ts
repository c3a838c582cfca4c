// Gets Debian packages of any architecture into the cache and unpacks them there, with apt-get's
// own checks of signatures and hashes. It reads the machine's sources and keys, and changes nothing
// of what the machine has installed.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { imageCacheFolder } from './cache.ts';
import { isThere, run } from './run.ts';

/** A package as it lies in the cache. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Of the .deb file, in hexadecimal. */
  readonly sha256: string;
  /** What the package says of itself, as dpkg keeps it. */
  readonly control: string;
  /** Where its files are, as they would be below the root of a machine. */
  readonly folder: string;
}

/** Whether the mirrors are asked for newer versions, or only for what the cache lacks. */
export type Freshness = 'newest' | 'cached';

/** An apt of one architecture whose whole state is a folder of the cache. */
export interface PrivateApt {
  readonly folder: string;
  readonly configuration: string;
}

/** A .deb file, which is there once it was downloaded. */
interface Archive {
  readonly name: string;
  readonly path: string;
  readonly algorithm: string;
  /** In hexadecimal, from the signed lists. */
  readonly hash: string;
}

// As apt-get prints it: 'URI' FILE SIZE ALGORITHM:HASH
const archiveLine = /^'[^']*' (\S+\.deb) \d+ (\w+):([0-9a-f]+)$/;
// What says where packages come from and how they travel; hooks and caches of the machine stay out.
const inherited = /^(?:Acquire|Dir::Etc)(?!::IndexTargets)/;

/**
 * An apt for one architecture, with its lists. When the mirrors can't be asked, the lists it has
 * are used, and `warn` is told. @throws Error on a machine without apt, and without any lists.
 */
export function openApt(
  architecture: string,
  freshness: Freshness,
  warn: (text: string) => void,
): PrivateApt {
  if (!isThere('apt-get') || !isThere('dpkg-deb')) {
    throw new Error(
      'the image is laid with apt-get and dpkg-deb, which this machine lacks; on one without ' +
        'them run `docker build .`, which uses those of its base image',
    );
  }
  const apt = configure(architecture);
  const hasLists = existsSync(stampOf(apt));
  if (freshness === 'cached' && hasLists) return apt;
  try {
    update(apt);
  } catch (error) {
    if (!hasLists) throw error;
    warn(`the lists of Debian packages are those of an earlier time, since ${String(error)}`);
  }
  return apt;
}

/** It stands once there are lists. */
function stampOf({ folder }: PrivateApt): string {
  return join(folder, 'updated');
}

function update(apt: PrivateApt): void {
  aptGet(apt, ['-o', 'APT::Update::Error-Mode=any', 'update'], apt.folder);
  writeFileSync(stampOf(apt), '');
}

function configure(architecture: string): PrivateApt {
  const folder = join(imageCacheFolder(), `debian-${architecture}`);
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'none', 'packages'])
    mkdirSync(join(folder, name), { recursive: true });
  const kept = run('apt-config', ['dump'])
    .toString()
    .split('\n')
    .filter((line) => inherited.test(line));
  const own = {
    'Dir::Etc::main': join(folder, 'none/apt.conf'),
    'Dir::Etc::parts': join(folder, 'none'),
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Cache::srcpkgcache': '',
    'APT::Architecture': architecture,
    'APT::Architectures::': architecture,
    // Only root can hand its downloads to apt's own user, who may not enter root's cache.
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::GzipIndexes': 'true',
  };
  const lines = [...kept, ...Object.entries(own).map(([name, value]) => `${name} "${value}";`)];
  writeFileSync(join(folder, 'status'), ''); // nothing is installed
  const configuration = join(folder, 'apt.conf');
  writeFileSync(configuration, `${lines.join('\n')}\n`);
  return { folder, configuration };
}

/** The lock lets a second checkout wait, where apt would give up. */
function aptGet(apt: PrivateApt, args: readonly string[], cwd: string): string {
  const lock = join(apt.folder, 'lock');
  const env = { APT_CONFIG: apt.configuration };
  return run('flock', [lock, 'apt-get', '-q', ...args], { cwd, env }).toString();
}

/**
 * The newest versions of packages that the lists know, downloaded, checked and unpacked, in the
 * order of their names here.
 */
export function debianPackages(
  apt: PrivateApt,
  names: readonly string[],
): readonly DebianPackage[] {
  try {
    return archivesOf(apt, names).map(unpack);
  } catch {
    update(apt); // a mirror drops a version some time after it has a newer one
    return archivesOf(apt, names).map(unpack);
  }
}

function archivesOf(apt: PrivateApt, names: readonly string[]): readonly Archive[] {
  const packages = join(apt.folder, 'packages');
  // From an empty folder, since apt-get names nothing that is there already.
  const lines = aptGet(apt, ['download', '--print-uris', ...names], join(apt.folder, 'none'));
  const archives = names.map((name) => {
    const [, file, algorithm, hash] =
      lines.split('\n').flatMap((line) => {
        const match = archiveLine.exec(line);
        return match?.[1]?.startsWith(`${name}_`) === true ? [match] : [];
      })[0] ?? [];
    if (file === undefined || algorithm === undefined || hash === undefined)
      throw new Error(`apt-get names no file for the package ${name}: ${lines}`);
    return { name, path: join(packages, file), algorithm, hash };
  });
  const missing = archives.filter((archive) => !isIntact(archive)).map(({ name }) => name);
  if (missing.length > 0) aptGet(apt, ['download', ...missing], packages);
  return archives;
}

function isIntact({ path, algorithm, hash }: Archive): boolean {
  return existsSync(path) && hashOf(path, algorithm) === hash;
}

function hashOf(path: string, algorithm: string): string {
  return createHash(algorithm).update(readFileSync(path)).digest('hex');
}

function unpack({ name, path }: Archive): DebianPackage {
  const control = run('dpkg-deb', ['--field', path]).toString();
  const field = (title: string): string =>
    new RegExp(`^${title}: (.*)$`, 'm').exec(control)?.[1] ?? '';
  return {
    name,
    version: field('Version'),
    architecture: field('Architecture'),
    sha256: hashOf(path, 'sha256'),
    control,
    folder: unpacked(path),
  };
}

/** Unpacked aside and moved into place: a second checkout may be doing the same. */
function unpacked(archive: string): string {
  const folder = archive.replace(/\.deb$/, '');
  if (existsSync(folder)) return folder;
  const part = mkdtempSync(`${folder}.part-`);
  try {
    run('dpkg-deb', ['--extract', archive, part]);
    if (!existsSync(folder)) renameSync(part, folder);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return folder;
}

/** The package whose copyright file a package shares, which is mostly itself. */
export function copyrightOwner({ name, folder }: DebianPackage): string {
  const docs = join(folder, 'usr/share/doc');
  const link = readdirSync(docs, { withFileTypes: true }).find((entry) => entry.name === name);
  return link?.isSymbolicLink() === true ? basename(readlinkSync(join(docs, name))) : name;
}
