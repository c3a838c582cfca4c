// Brings generated files up to date, or says which are not. What they hold is its caller's.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');

/**
 * Writes each text to its path, relative to the folder of the project, and removes those of
 * `present` that have none. With --check it writes nothing, names what is stale with the remedy on
 * standard error, and sets the exit code to 1.
 */
export function bringUpToDate(
  files: ReadonlyMap<string, string>,
  remedy: string,
  present: readonly string[] = [],
): void {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  for (const name of new Set([...files.keys(), ...present])) {
    const [path, text] = [join(root, name), files.get(name)];
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    if (values.check) {
      console.error(`${name} is stale: run ${remedy}`);
      process.exitCode = 1;
    } else if (text === undefined) {
      rmSync(path);
      console.log(`removed ${name}`);
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      console.log(`wrote ${name}`);
    }
  }
}
