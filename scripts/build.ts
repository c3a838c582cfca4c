// Writes the operator's bundle into dist/, for the cluster tests and for whoever runs it without an
// image. The image has a bundle of its own, made by the same function.
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { bundleOperator } from './bundle.ts';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'dist');

mkdirSync(folder, { recursive: true });
for (const old of globSync('operator.mjs*', { cwd: folder })) rmSync(join(folder, old));
for (const [name, content] of (await bundleOperator()).files) {
  writeFileSync(join(folder, name), content);
  if (!name.endsWith('.mjs')) continue;
  const mebibytes = (content.length / 2 ** 20).toFixed(1);
  console.log(`build: ${relative(root, join(folder, name))}, ${mebibytes} MiB`);
}
