// Reads the file that --config names, and the hash by which people tell what a process runs with.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseConfiguration } from '../sources/configuration.ts';
import type { Configuration } from '../sources/configuration.ts';

export interface ReadConfiguration {
  readonly configuration: Configuration;
  /** The first twelve hexadecimal digits of the SHA-256 of the file's text. */
  readonly hash: string;
}

/** @throws Error that says what can't be read, or every problem in it with line and column. */
export function readConfiguration(file: string): ReadConfiguration {
  const text = read(file);
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 12);
  return { configuration: parseConfiguration(text, file), hash };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`the file of --config can't be read: ${why}`, { cause });
  }
}
