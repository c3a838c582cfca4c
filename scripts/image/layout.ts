// Writes images of several platforms as an OCI image layout, the folder that crane, skopeo and
// buildah read. The same files give the same digests; it pushes nothing.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Platform } from './platforms.ts';
import { tarOf } from './tar.ts';
import type { ImageFile } from './tar.ts';

/** What a container of an image starts, as whom, and what the image says of itself. */
export interface ImageConfig {
  readonly user: string;
  readonly entrypoint: readonly string[];
  /** As 'NAME=value'. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** The image of one platform, its lowest layer first. */
export interface Image {
  readonly platform: Platform;
  readonly layers: readonly Layer[];
}

/** A layer, packed. */
export interface Layer {
  /** What it holds, in a word: 'system'. */
  readonly name: string;
  readonly packed: Buffer;
  /** Digest of the tar. */
  readonly diffId: string;
}

/** Where something lies in the layout, and what it is. */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const mediaType = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;
// No image has a time of its own, or it would differ each time.
const created = '1970-01-01T00:00:00Z';
const gzipLevel = 6; // 9 saves 0.4 % and takes twice the time
const gzipSystemByte = 9;
const gzipUnknownSystem = 255;

/** Packs a layer. */
export async function packLayer(name: string, files: readonly ImageFile[]): Promise<Layer> {
  const tar = tarOf(files);
  const packed = await promisify(gzip)(tar, { level: gzipLevel });
  packed[gzipSystemByte] = gzipUnknownSystem; // zlib names the system it was compiled for
  return { name, packed, diffId: digestOf(tar) };
}

/**
 * Writes the layout into an empty folder and returns the digest of its index, by which the images
 * of all platforms are pulled.
 * @param reference what tools call the images in this folder, as a rule the version
 */
export function writeLayout(
  folder: string,
  reference: string,
  images: readonly Image[],
  config: ImageConfig,
): string {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (type: string, content: Buffer): Descriptor => {
    const digest = digestOf(content);
    writeFileSync(join(blobs, digest.slice('sha256:'.length)), content);
    return { mediaType: type, digest, size: content.length };
  };
  const putJson = (type: string, value: object): Descriptor => put(type, jsonOf(value));
  const manifests = images.map(({ platform, layers }) => {
    const manifest = putJson(mediaType.manifest, {
      schemaVersion: 2,
      mediaType: mediaType.manifest,
      config: putJson(mediaType.config, configOf(platform, layers, config)),
      layers: layers.map(({ packed }) => put(mediaType.layer, packed)),
    });
    return { ...manifest, platform: { architecture: platform.architecture, os: 'linux' } };
  });
  const index = { schemaVersion: 2, mediaType: mediaType.index };
  const all = putJson(mediaType.index, { ...index, manifests });
  const named = { ...all, annotations: { 'org.opencontainers.image.ref.name': reference } };
  writeFileSync(join(folder, 'index.json'), jsonOf({ ...index, manifests: [named] }));
  writeFileSync(join(folder, 'oci-layout'), jsonOf({ imageLayoutVersion: '1.0.0' }));
  return all.digest;
}

function configOf(platform: Platform, layers: readonly Layer[], config: ImageConfig): object {
  return {
    created,
    architecture: platform.architecture,
    os: 'linux',
    config: {
      User: config.user,
      Env: config.env,
      Entrypoint: config.entrypoint,
      Labels: config.labels,
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ name }) => ({ created, created_by: `scripts/image.ts: ${name}` })),
  };
}

function jsonOf(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
