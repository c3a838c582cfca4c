// Where the pinned binaries are: in the folder that KUBEBUILDER_ASSETS names, else in the cache
// that tools/build fills. It builds nothing.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const build = join(import.meta.dirname, 'tools', 'build');
let families: ReadonlyMap<string, string> | undefined;

/**
 * Path of a binary, for example 'kube-apiserver'. @throws Error when it is neither in the assets
 * nor built.
 */
export function binaryPath(name: string): string {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  const folders = [...(assets ? [assets] : []), ...familyFolders().values()];
  const path = folders
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate));
  if (path === undefined)
    throw new Error(`${name} is not built; run \`make tools\` (looked in ${folders.join(', ')})`);
  return path;
}

/**
 * Folder of the Gateway API's standard resource definitions. @throws Error when it is not there
 * yet.
 */
export function gatewayApiFolder(): string {
  return folderThatIsThere(join(familyFolders().get('traefik') ?? '', 'gateway-api'));
}

/** Folder of the Prometheus Operator's resource definitions. @throws Error as gatewayApiFolder. */
export function prometheusOperatorFolder(): string {
  return folderThatIsThere(familyFolders().get('prometheus-operator') ?? '');
}

function folderThatIsThere(folder: string): string {
  if (!existsSync(folder)) throw new Error(`${folder} is not there; run \`make tools\``);
  return folder;
}

function familyFolders(): ReadonlyMap<string, string> {
  if (families !== undefined) return families;
  const lines = execFileSync(build, ['--where'], { encoding: 'utf8' }).trim().split('\n');
  families = new Map(
    lines.map((line) => [line.split(' ')[0] ?? '', line.split(' ').slice(1).join(' ')]),
  );
  return families;
}
