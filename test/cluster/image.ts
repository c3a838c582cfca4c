// Builds container images as tars from a folder, with no builder and no registry, and puts them
// into a node.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { runCommand } from './command.ts';

/** What an image is made of. */
export interface ImageSpec {
  /** Full name with tag, for example 'x0tta.test/pause:1'. */
  readonly name: string;
  /** Folder that becomes the root of the file system; everything in it will belong to root. */
  readonly rootFolder: string;
  readonly entrypoint: readonly string[];
  /** 'user' or 'user:group', as numbers; root when left out. */
  readonly user?: string;
  /** 'NAME=value' pairs. */
  readonly env?: readonly string[];
  /** Path of the tar to write. */
  readonly tarPath: string;
}

/** Writes the tar of an image with one layer, in the form that `docker save` made known. */
export async function buildImage(spec: ImageSpec): Promise<void> {
  const work = `${spec.tarPath}.parts`;
  mkdirSync(work, { recursive: true });
  mkdirSync(dirname(spec.tarPath), { recursive: true });
  const owner = ['--owner=0', '--group=0', '--numeric-owner'];
  const layer = join(work, 'layer.tar');
  await runCommand('tar', ['-C', spec.rootFolder, ...owner, '-cf', layer, '.']);
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Entrypoint: spec.entrypoint,
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.env === undefined ? {} : { Env: spec.env }),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(readFileSync(layer))}`] },
  });
  const configName = `${sha256(config)}.json`;
  const manifest = [{ Config: configName, RepoTags: [spec.name], Layers: ['layer.tar'] }];
  writeFileSync(join(work, configName), config);
  writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
  await runCommand('tar', [
    '-C',
    work,
    '-cf',
    spec.tarPath,
    'manifest.json',
    configName,
    'layer.tar',
  ]);
  rmSync(work, { recursive: true });
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
