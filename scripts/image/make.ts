// Makes the image of some platforms: fetches what it needs, lays both layers, and writes the layout
// and the SBOM. It pushes nothing.
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { application } from './application.ts';
import { imageConfig } from './config.ts';
import type { Freshness } from './debian.ts';
import { packLayer, writeLayout } from './layout.ts';
import type { Image } from './layout.ts';
import type { Platform } from './platforms.ts';
import { sbomOf } from './sbom.ts';
import { fetchSystem, systemFrom } from './system.ts';
import type { System, SystemParts } from './system.ts';
import type { ImageFile } from './tar.ts';

/** How to make an image. */
export interface ImageOrder {
  readonly platforms: readonly Platform[];
  readonly freshness: Freshness;
  /** Told what was not as it should be, and did not stop it. */
  readonly warn: (text: string) => void;
}

/** An image that was made. */
export interface MadeImage {
  /** Digest of the index. */
  readonly digest: string;
  readonly images: readonly Image[];
}

/** What one platform's image holds, unpacked. */
export interface ImageContent {
  readonly system: System;
  readonly application: readonly ImageFile[];
}

/** Lays the content of one platform, without packing it. */
export async function imageContent(
  platform: Platform,
  { freshness, warn }: ImageOrder,
): Promise<ImageContent> {
  const system = systemFrom(fetchSystem(platform, freshness, warn));
  return { system, application: await application() };
}

/**
 * Makes the image, with the SBOM as sbom.cdx.json among the files of the layout. A folder that was
 * there is replaced once the new one is whole.
 */
export async function makeImage(folder: string, order: ImageOrder): Promise<MadeImage> {
  const upper = await application();
  const systems = fetchInputs(order).map(systemFrom);
  const [upperLayer, ...lowerLayers] = await Promise.all([
    packLayer('application', upper),
    ...systems.map(({ files }) => packLayer('system', files)),
  ]);
  const images = order.platforms.map((platform, index) => ({
    platform,
    layers: [lowerLayers[index], upperLayer].filter((layer) => layer !== undefined),
  }));
  mkdirSync(dirname(folder), { recursive: true });
  const part = mkdtempSync(`${folder}.part-`);
  try {
    const config = imageConfig();
    const reference = config.labels['org.opencontainers.image.version'] ?? '';
    const digest = writeLayout(part, reference, images, config);
    writeFileSync(join(part, 'sbom.cdx.json'), sbomOf(systems));
    chmodSync(part, 0o755);
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
    return { digest, images };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

/** Gets what an image is made of into the cache, and makes none. */
export function fetchInputs({ platforms, freshness, warn }: ImageOrder): readonly SystemParts[] {
  return platforms.map((platform) => fetchSystem(platform, freshness, warn));
}
