// Where the downloads of the image are kept: outside the checkout, so that a second one fetches
// nothing.
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The folder of all downloads, which X0TTA_CACHE and XDG_CACHE_HOME move as they move the tools'.
 */
export function imageCacheFolder(): string {
  const { X0TTA_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  return join(own || join(shared || join(homedir(), '.cache'), 'x0tta'), 'image');
}
