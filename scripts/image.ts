// Makes the operator's image without a container engine, as an OCI layout in dist/image, and says
// how to push it.
//
//   image.ts [--platform linux/amd64]        for one platform; for both when left out
//   image.ts --root FOLDER [--platform …]    lays its files into FOLDER, for the Dockerfile
//   image.ts --fetch                         fetches what an image needs and the cache lacks
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { imageConfig } from './image/config.ts';
import { fetchInputs, imageContent, makeImage } from './image/make.ts';
import type { ImageOrder } from './image/make.ts';
import { ownPlatform, platformNamed, platforms } from './image/platforms.ts';
import type { ImageFile } from './image/tar.ts';

const layout = join(import.meta.dirname, '../dist/image');

function say(text: string): void {
  console.log(`image: ${text}`);
}

async function writeImage(order: ImageOrder): Promise<void> {
  const { digest, images } = await makeImage(layout, order);
  const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  for (const { platform, layers } of images) {
    const sizes = layers.map(({ name, packed }) => `${name} ${mebibytes(packed.length)}`);
    say(`${platform.name}: ${sizes.join(', ')}`);
  }
  const folder = relative(process.cwd(), layout);
  const version = imageConfig().labels['org.opencontainers.image.version'];
  say(`${folder}, with sbom.cdx.json; digest ${digest}`);
  say(`next: make push REGISTRY=host/path, or crane push ${folder} host/path/x0tta:${version}`);
}

/** Each layer in a folder of its own. */
async function writeRoot(folder: string, order: ImageOrder): Promise<void> {
  process.umask(0o022); // the modes of the folders are part of the image
  const [platform = ownPlatform()] = order.platforms;
  const { system, application } = await imageContent(platform, order);
  writeFiles(join(folder, 'system'), system.files);
  writeFiles(join(folder, 'application'), application);
}

function writeFiles(folder: string, files: readonly ImageFile[]): void {
  for (const { path, content, mode } of files) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content, { mode });
  }
}

const { values } = parseArgs({
  options: {
    platform: { type: 'string' },
    root: { type: 'string' },
    fetch: { type: 'boolean', default: false },
  },
});
const named = values.platform === undefined ? undefined : [platformNamed(values.platform)];
const order: ImageOrder = {
  platforms: named ?? platforms,
  freshness: values.fetch ? 'cached' : 'newest',
  warn: say,
};
if (values.fetch) fetchInputs(order);
else if (values.root === undefined) await writeImage(order);
else await writeRoot(values.root, { ...order, platforms: named ?? [ownPlatform()] });
