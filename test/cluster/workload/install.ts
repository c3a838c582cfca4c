// Puts the sample workload's image into a cluster's node. How it is made is in image.ts.
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Cluster } from '../cluster.ts';
import { buildSampleImage } from './image.ts';

const references = new WeakMap<Cluster, Promise<string>>();

/**
 * The reference of the sample's image, for sampleTemplate(); the first call for a cluster imports
 * it, which takes some seconds. @throws Error when the cluster has no node.
 */
export function importSample(cluster: Cluster): Promise<string> {
  const known = references.get(cluster);
  if (known !== undefined) return known;
  const importing = buildAndImport(cluster);
  references.set(cluster, importing);
  return importing;
}

async function buildAndImport(cluster: Cluster): Promise<string> {
  const { tarPath, reference } = await buildSampleImage({ cacheFolder: imagesFolder() });
  await cluster.importImage(tarPath);
  return reference;
}

/** Beside the pinned binaries; see tools/build. */
function imagesFolder(): string {
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(process.env['X0TTA_CACHE'] || join(caches, 'x0tta'), 'images');
}
