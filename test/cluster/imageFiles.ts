// Reads the images of an OCI layout back, with the machine's tar: what they start, and their files.
import { existsSync, globSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { runCommand } from './command.ts';

const descriptorSchema = z.object({ digest: z.string(), size: z.number() });
const indexSchema = z.object({
  manifests: z.array(
    descriptorSchema.extend({ platform: z.object({ architecture: z.string() }).optional() }),
  ),
});
const manifestSchema = z.object({ config: descriptorSchema, layers: z.array(descriptorSchema) });
const runConfigSchema = z.object({
  User: z.string(),
  Env: z.array(z.string()),
  Entrypoint: z.array(z.string()),
  Labels: z.record(z.string(), z.string()),
});
const configSchema = z.object({ config: runConfigSchema });

/** What a container of an image starts, as whom, and what the image says of itself. */
export type RunConfig = z.infer<typeof runConfigSchema>;

/** An image of a layout. */
export interface LaidImage {
  readonly architecture: string;
  readonly config: RunConfig;
  /** Of all layers, packed. */
  readonly packedBytes: number;
  /** Paths of the layers' blobs, the lowest first. */
  readonly layers: readonly string[];
}

/** A file as it lies in a root folder. */
export interface RootFile {
  readonly mode: number;
  readonly owner: string;
  readonly content: Buffer;
}

/** The images in a layout, in the order of its index. */
export function imagesIn(layout: string): readonly LaidImage[] {
  const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
  const [named] = indexSchema.parse(jsonIn(join(layout, 'index.json'))).manifests;
  const { manifests } = indexSchema.parse(jsonIn(blob(named?.digest ?? '')));
  return manifests.map(({ digest, platform }) => {
    const { config, layers } = manifestSchema.parse(jsonIn(blob(digest)));
    return {
      architecture: platform?.architecture ?? '',
      config: configSchema.parse(jsonIn(blob(config.digest))).config,
      packedBytes: layers.reduce((sum, { size }) => sum + size, 0),
      layers: layers.map((layer) => blob(layer.digest)),
    };
  });
}

/** Unpacks the layers of an image into a folder, as a container would have them as its root. */
export async function unpackImage({ layers }: LaidImage, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const layer of layers) await runCommand('tar', ['-xpzf', layer, '-C', folder]);
}

/** All files below a root folder, by their path from there. */
export function filesBelow(folder: string): ReadonlyMap<string, RootFile> {
  if (!existsSync(folder)) throw new Error(`${folder} is not there`);
  const paths = globSync('**', { cwd: folder }).toSorted();
  const files = paths.filter((path) => !lstatSync(join(folder, path)).isDirectory());
  return new Map(files.map((path) => [path, rootFile(join(folder, path))]));
}

function rootFile(path: string): RootFile {
  const { mode, uid, gid } = lstatSync(path);
  return { mode: mode & 0o7777, owner: `${uid}:${gid}`, content: readFileSync(path) };
}

function jsonIn(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}
