// What a container of the image starts and as whom. The Dockerfile says the same in its own words,
// which a test compares.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { ImageConfig } from './layout.ts';
import { imageUserId } from './system.ts';

const root = join(import.meta.dirname, '../..');
const manifestSchema = z.object({ name: z.string(), version: z.string(), license: z.string() });

/** The configuration, with the version in package.json. */
export function imageConfig(): ImageConfig {
  const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { name, version, license } = manifestSchema.parse(manifest);
  return {
    user: `${imageUserId}:${imageUserId}`,
    entrypoint: [
      '/usr/local/bin/node',
      // Memory that a large fleet took for a while is given back: docs/decisions/0011.
      '--max-semi-space-size=1',
      '--no-allocation-site-pretenuring',
      // The rest of the container's limit is for what lies outside of the heap.
      '--max-old-space-size-percentage=65',
      '/app/operator.mjs',
    ],
    env: [
      'PATH=/usr/local/bin',
      'MALLOC_ARENA_MAX=1',
      'MALLOC_MMAP_THRESHOLD_=8192',
      'MALLOC_TRIM_THRESHOLD_=65536',
    ],
    labels: {
      'org.opencontainers.image.licenses': license,
      'org.opencontainers.image.title': name,
      'org.opencontainers.image.version': version,
    },
  };
}
