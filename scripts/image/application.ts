// Lays the upper layer of the image, the same for every platform: the operator, its source map, and
// the licences of it and of all that is bundled into it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleOperator } from '../bundle.ts';
import { licensesOf } from './licenses.ts';
import type { ImageFile } from './tar.ts';

const root = join(import.meta.dirname, '../..');

/** Lays the layer. @throws Error when a bundled package has no text of its licence. */
export async function application(): Promise<readonly ImageFile[]> {
  const { files, packageFolders } = await bundleOperator();
  return [
    ...[...files].map(([name, content]) => ({ path: `app/${name}`, content, mode: 0o644 })),
    { path: 'licenses/x0tta/LICENSE', content: readFileSync(join(root, 'LICENSE')), mode: 0o644 },
    ...licensesOf(root, packageFolders),
  ];
}
