// Writes what is in the image as a CycloneDX document: what npm says of the lock file, with Node
// and the Debian packages added. The same image gives the same document.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import type { DebianPackage } from './debian.ts';
import { run } from './run.ts';
import type { Distribution, System } from './system.ts';

const root = join(import.meta.dirname, '../..');
const documentSchema = z.looseObject({
  metadata: z.looseObject({ component: z.looseObject({}) }),
  components: z.array(z.looseObject({})),
});

/**
 * The document as text.
 * @param systems the lower layers of all platforms
 * @throws Error when npm is older than 10, which has no `npm sbom`
 */
export function sbomOf(systems: readonly System[]): string {
  const args = ['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx', '--package-lock-only'];
  const said = documentSchema.parse(JSON.parse(run('npm', args, { cwd: root }).toString()));
  const { timestamp: _, ...metadata } = said.metadata;
  const added = [
    ...systems.map(({ nodeVersion }) => nodeComponent(nodeVersion)),
    ...systems.flatMap(({ packages, distribution }) =>
      packages.map((one) => debianComponent(one, distribution)),
    ),
  ];
  const byReference = new Map(added.map((component) => [component['bom-ref'], component]));
  const document = {
    ...said,
    serialNumber: undefined, // for now, so that it does not count itself
    // npm calls a package after its folder when it reads the lock file alone.
    metadata: { ...metadata, component: { ...metadata.component, name: 'x0tta' } },
    components: [...said.components, ...byReference.values()],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(document))}`;
  return `${JSON.stringify({ ...document, serialNumber }, null, 2)}\n`;
}

function nodeComponent(version: string): { readonly 'bom-ref': string } {
  const reference = `pkg:generic/node@${version}`;
  return Object.assign(
    { 'bom-ref': reference, type: 'application', name: 'node', version },
    { purl: reference, cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*` },
  );
}

function debianComponent(
  one: DebianPackage,
  { id, version: release }: Distribution,
): { readonly 'bom-ref': string } {
  const version = encodeURIComponent(one.version);
  const name = encodeURIComponent(one.name);
  const purl = `pkg:deb/${id}/${name}@${version}?arch=${one.architecture}&distro=${id}-${release}`;
  return Object.assign(
    { 'bom-ref': purl, type: 'library', name: one.name, version: one.version, purl },
    { hashes: [{ alg: 'SHA-256', content: one.sha256 }] },
  );
}

/** A UUID (version 8, of one's own making) from a hash. */
function uuidOf(text: string): string {
  const hash = createHash('sha256').update(text).digest('hex');
  const variant = '89ab'[Number.parseInt(hash.charAt(16), 16) % 4] ?? '8';
  const groups = [hash.slice(0, 8), hash.slice(8, 12), `8${hash.slice(13, 16)}`];
  return [...groups, `${variant}${hash.slice(17, 20)}`, hash.slice(20, 32)].join('-');
}
