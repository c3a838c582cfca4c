// Lays the lower layer of the image: Node, the shared libraries that it names, and the few files
// that programs expect in /etc. No shell and no package manager is in it.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyrightOwner, debianPackages, openApt } from './debian.ts';
import type { DebianPackage, Freshness } from './debian.ts';
import { isElf, readElf } from './elf.ts';
import { librariesOf, linkedFile } from './libraries.ts';
import { fetchNode, readNode } from './node.ts';
import type { NodeTarball } from './node.ts';
import type { Platform } from './platforms.ts';
import type { ImageFile } from './tar.ts';

/** The lower layer of a platform, and what it was made of. */
export interface System {
  readonly files: readonly ImageFile[];
  readonly nodeVersion: string;
  /** The packages that files were taken from. */
  readonly packages: readonly DebianPackage[];
  /** Of which distribution they are. */
  readonly distribution: Distribution;
}

/** What a layer is made of, in the cache. */
export interface SystemParts {
  readonly platform: Platform;
  readonly node: NodeTarball;
  readonly packages: readonly DebianPackage[];
  readonly base: DebianPackage;
  readonly copyrights: readonly ImageFile[];
}

/** A distribution as its os-release names it: 'debian' and '12'. */
export interface Distribution {
  readonly id: string;
  readonly version: string;
}

/** Whom the operator runs as: the number of both the user and its group. */
export const imageUserId = 65532;

const sourcePackages = ['ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6'];
// It names the distribution, and has the licences that the copyright files of the others refer to.
const basePackage = 'base-files';
const licenceReference = /\/usr\/share\/common-licenses\/([A-Za-z]+(?:[.-][0-9]+)*)/g;

/** Gets what the layer is made of into the cache, and lays nothing. */
export function fetchSystem(
  platform: Platform,
  freshness: Freshness,
  warn: (text: string) => void,
): SystemParts {
  const apt = openApt(platform.architecture, freshness, warn);
  const [base, ...packages] = debianPackages(apt, [basePackage, ...sourcePackages]);
  if (base === undefined) throw new Error(`there is no package ${basePackage}`);
  const owners = [...new Set(packages.map(copyrightOwner))];
  const copyrights = debianPackages(apt, owners).map(copyrightOf);
  return { platform, node: fetchNode(platform), packages, base, copyrights };
}

/** Lays the layer. @throws Error when a library is in no package, or is for another machine. */
export function systemFrom({ platform, node: tarball, ...parts }: SystemParts): System {
  const { packages, base, copyrights } = parts;
  const node = readNode(tarball);
  const folders = packages.map(({ folder }) => folder);
  const release = readFileSync(join(base.folder, 'usr/lib/os-release'), 'utf8');
  const files = [
    { path: 'usr/local/bin/node', content: node.binary, mode: 0o755 },
    ...librariesOf(node.binary, folders),
    ...accounts(),
    plain('etc/ssl/certs/ca-certificates.crt', certificatesOf(folders)),
    // By these two, scanners know what the files came from.
    plain('etc/os-release', release),
    ...packages.map(({ name, control }) => plain(`var/lib/dpkg/status.d/${name}`, control)),
    plain('licenses/node/LICENSE', node.license),
    ...copyrights,
    ...licencesNamedIn(copyrights, base),
  ];
  checkMachines(files, platform);
  const field = (name: string): string =>
    new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? '';
  const distribution = { id: field('ID'), version: field('VERSION_ID') };
  return { files, nodeVersion: node.version, packages, distribution };
}

/** @throws Error that names an ELF file of another platform. */
export function checkMachines(files: readonly ImageFile[], platform: Platform): void {
  for (const { path, content } of files.filter((file) => isElf(file.content))) {
    const { machine } = readElf(content);
    if (machine === platform.elfMachine) continue;
    throw new Error(`/${path} is for the ELF machine ${machine} and not for ${platform.name}`);
  }
}

function accounts(): readonly ImageFile[] {
  const line = (name: string, id: number): string => `${name}:x:${id}:${id}:${name}:/:/nologin\n`;
  const group = (name: string, id: number): string => `${name}:x:${id}:\n`;
  return [
    plain('etc/passwd', line('root', 0) + line('x0tta', imageUserId)),
    plain('etc/group', group('root', 0) + group('x0tta', imageUserId)),
    plain('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'),
  ];
}

/** All certificates in one file, as Debian's own update-ca-certificates would write it. */
function certificatesOf(folders: readonly string[]): string {
  const paths = folders.flatMap((folder) =>
    globSync(join(folder, 'usr/share/ca-certificates/**/*.crt')).toSorted(),
  );
  if (paths.length === 0) throw new Error(`no certificates are in ${folders.join(', ')}`);
  return paths.map((path) => `${readFileSync(path, 'utf8').trim()}\n`).join('');
}

function copyrightOf({ name, folder }: DebianPackage): ImageFile {
  const content = readFileSync(join(folder, 'usr/share/doc', name, 'copyright'));
  return plain(`licenses/debian/${name}/copyright`, content);
}

/** The licences that copyright files name by their path, at that path. */
function licencesNamedIn(
  copyrights: readonly ImageFile[],
  { folder }: DebianPackage,
): readonly ImageFile[] {
  const text = copyrights.map(({ content }) => content.toString()).join('\n');
  const names = new Set([...text.matchAll(licenceReference)].map(([, name = '']) => name));
  return [...names].map((name) => {
    const path = `usr/share/common-licenses/${name}`;
    return plain(path, readFileSync(linkedFile(folder, path)));
  });
}

function plain(path: string, content: string | Buffer): ImageFile {
  return { path, content: Buffer.from(content), mode: 0o644 };
}
