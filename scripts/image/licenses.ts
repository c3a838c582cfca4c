// Collects the licences of npm packages, so that none is bundled without its text. It does not
// judge what a licence permits.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { ImageFile } from './tar.ts';

const manifestSchema = z.object({ name: z.string(), version: z.string() });
const licenceFile = /^(?:licen[cs]e|copying|notice)(?:$|[.-])/i;
const readmeFile = /^readme(?:$|\.)/i;
const licenceHeading = /^#*[ \t]*licen[cs]e[ \t]*$/im;
// A section that only names the licence has neither.
const wholeText = /copyright[^]*warranty/i;

/**
 * The licence files of packages, at licenses/npm/<name>@<version>/. Where a package has none, but
 * the whole text in its README, that section is taken.
 * @param root the folder that the packages' folders are relative to
 * @throws Error that names every package without a licence's text
 */
export function licensesOf(root: string, packageFolders: readonly string[]): readonly ImageFile[] {
  const found = packageFolders.map((folder) => licensesIn(join(root, folder)));
  const without = found.filter(({ files }) => files.length === 0).map(({ id }) => id);
  if (without.length > 0) {
    throw new Error(
      `no text of a licence is in ${without.join(', ')}; ask the authors for one, or bundle ` +
        'another package',
    );
  }
  // Two folders may hold the same version of a package.
  const byPath = new Map(found.flatMap(({ files }) => files.map((file) => [file.path, file])));
  return [...byPath.values()];
}

function licensesIn(folder: string): { readonly id: string; readonly files: readonly ImageFile[] } {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const { name, version } = manifestSchema.parse(manifest);
  const id = `${name}@${version}`;
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  const file = (as: string, content: Buffer): ImageFile => ({
    path: `licenses/npm/${id}/${as}`,
    content,
    mode: 0o644,
  });
  const texts = entries.filter((entry) => licenceFile.test(entry.name));
  if (texts.length > 0) {
    return {
      id,
      files: texts.map((text) => file(text.name, readFileSync(join(folder, text.name)))),
    };
  }
  const readme = entries.find((entry) => readmeFile.test(entry.name));
  const section = readme && licenceSection(readFileSync(join(folder, readme.name), 'utf8'));
  return { id, files: section === undefined ? [] : [file('LICENSE', Buffer.from(section))] };
}

/** From the heading to the end, as what follows belongs to it or does no harm. */
function licenceSection(readme: string): string | undefined {
  const start = licenceHeading.exec(readme)?.index;
  const section = start === undefined ? '' : readme.slice(start);
  return wholeText.test(section) ? section : undefined;
}
