// Makes the container image of the sample workload: the Node.js binary that runs this, the shared
// libraries it needs, and the server bundled into one file. It puts the image nowhere.

import { createHash } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

import { runCommand } from '../command.ts';
import { buildImage } from '../image.ts';

const SERVER_PATH = '/server.cjs';
const NODE_PATH = '/node';
/** A user without a name or rights, as runAsNonRoot asks. */
const USER = '65532:65532';
/** A pod that answers a few hundred requests a second needs little; this keeps its heap small. */
const NODE_FLAGS = ['--max-semi-space-size=1', '--max-old-space-size=64'];

/** An image that `ctr images import` takes. */
export interface SampleImage {
  readonly tarPath: string;
  /** Full name with tag; another content has another tag. */
  readonly reference: string;
}

/** Builds the image, or finds the one of the same content in `cacheFolder`. */
export async function buildSampleImage(options: {
  readonly cacheFolder: string;
}): Promise<SampleImage> {
  const { cacheFolder } = options;
  const server = await bundleServer();
  const libraries = await sharedLibraries(process.execPath);
  const hash = createHash('sha256').update(JSON.stringify([server, libraries, USER, NODE_FLAGS]));
  for (const path of [process.execPath, ...libraries]) hash.update(await readFile(path));
  const tag = hash.digest('hex').slice(0, 12);
  const reference = `x0tta.test/sample:${tag}`;
  const tarPath = join(cacheFolder, `sample-${tag}.tar`);
  if (existsSync(tarPath)) return { tarPath, reference };

  await mkdir(cacheFolder, { recursive: true });
  // Built aside and moved into place: a second checkout may be doing the same.
  const work = await mkdtemp(join(cacheFolder, 'sample-'));
  try {
    const rootFolder = join(work, 'root');
    await stage(rootFolder, server, libraries);
    const partialPath = join(work, 'image.tar');
    await buildImage({
      name: reference,
      rootFolder,
      entrypoint: [NODE_PATH, ...NODE_FLAGS, SERVER_PATH],
      user: USER,
      env: [`LD_LIBRARY_PATH=${[...new Set(libraries.map((path) => dirname(path)))].join(':')}`],
      tarPath: partialPath,
    });
    await rename(partialPath, tarPath);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return { tarPath, reference };
}

/** The server and all it imports as the text of one CommonJS file. */
export async function bundleServer(): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL('server.ts', import.meta.url))],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    minify: true,
    keepNames: true,
    logLevel: 'silent',
  });
  const file = result.outputFiles[0];
  if (file === undefined) throw new Error('esbuild wrote no file');
  return file.text;
}

/**
 * The files that a dynamic binary needs at run time, its loader among them, as `ldd` names them.
 */
async function sharedLibraries(binary: string): Promise<readonly string[]> {
  const output = await runCommand('ldd', [binary]);
  const paths = output.split('\n').flatMap((line) => {
    const path = /(?:=>|^)\s*(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
    return path === undefined ? [] : [path];
  });
  return [...new Set(paths)].toSorted();
}

async function stage(
  rootFolder: string,
  server: string,
  libraries: readonly string[],
): Promise<void> {
  const files = [[process.execPath, NODE_PATH], ...libraries.map((path) => [path, path])] as const;
  await mkdir(rootFolder);
  for (const [from = '', to = ''] of files) {
    const target = join(rootFolder, to);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(from, target, constants.COPYFILE_FICLONE);
    await chmod(target, 0o755);
  }
  await writeFile(join(rootFolder, SERVER_PATH), server, { mode: 0o644 });
}
