// Puts the sample workload's image into a cluster's node. How it is made is in image.ts.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { oncePerCluster } from '../once.ts';
import { buildSampleImage } from './image.ts';

/**
 * The reference of the sample's image, for sampleTemplate(); the first call for a cluster imports
 * it, which takes some seconds. @throws Error when the cluster has no node.
 */
export const importSample = oncePerCluster(async (cluster) => {
  const { tarPath, reference } = await buildSampleImage({ cacheFolder: imagesFolder() });
  await cluster.importImage(tarPath);
  return reference;
});

/** Beside the pinned binaries; see tools/build. */
function imagesFolder(): string {
  const caches = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(process.env['X0TTA_CACHE'] || join(caches, 'x0tta'), 'images');
}
