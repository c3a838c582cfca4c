// Fails on a line over 100 columns in the sources. Prettier keeps code below that, but it leaves
// comments and literals as they are.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const maxColumns = 100;
const root = join(import.meta.dirname, '..');

for (const file of globSync('{src,test,scripts}/**/*.ts', { cwd: root }).toSorted()) {
  for (const [index, line] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    const columns = Array.from(line).length;
    if (columns <= maxColumns) continue;
    console.error(`${file}:${index + 1}: ${columns} columns, more than ${maxColumns}`);
    process.exitCode = 1;
  }
}
