// Checks which room of src/ imports what: the directions between rooms, and the packages that
// belong to one room. It reads import lines as text and knows nothing of types.
//
//   node scripts/checkImports.ts    prints what is not allowed and exits 1
import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';

/** An import that is not allowed: the file, what it imports, and why not. */
export interface ImportViolation {
  /** Path from the folder of the project: 'src/core/decide.ts'. */
  readonly file: string;
  readonly imported: string;
  readonly reason: string;
}

/** What the files of a room may import. A room that is not listed may import every room but cli. */
interface RoomRule {
  readonly rooms: readonly string[];
  /** Packages and Node's own modules; all that packageRooms permits when left out. */
  readonly packages?: readonly string[];
  /** Whether the ports of all rooms are permitted as well. */
  readonly ports?: boolean;
}

const pure: RoomRule = { rooms: ['api', 'core'], packages: [] };
const roomRules: Readonly<Record<string, RoomRule>> = {
  api: { rooms: ['api'], packages: ['zod'] },
  core: pure,
  runtime: { rooms: ['api', 'core', 'runtime'] },
  reconcile: { rooms: ['api', 'core', 'runtime', 'reconcile'], ports: true },
};

// Packages that one place owns, by the path in src/ that may import them.
const packageOwners: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['src/kube/config.ts'],
  undici: ['src/kube/'],
  axios: ['src/sources/', 'src/notify/'],
  winston: ['src/telemetry/'],
  'prom-client': ['src/telemetry/'],
};

const portFile = /^src\/[^/]+\/port\.ts$/;
// Static imports and exports with a source; bare imports; import() or require(), with a literal or
// not.
const importPatterns = [
  /^\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\b(?:import|require)\s*\(\s*(?:['"`]([^'"`]*)['"`]|[^)])/g,
];

/**
 * The imports of one file of src/ that are not allowed.
 * @param file path from the folder of the project, with slashes
 * @param text its content
 */
export function violationsIn(file: string, text: string): readonly ImportViolation[] {
  const found: ImportViolation[] = [];
  for (const match of importPatterns.flatMap((pattern) => [...text.matchAll(pattern)])) {
    const imported = match[1];
    const reason =
      imported === undefined ? 'an import that is not a literal' : reasonAgainst(file, imported);
    if (reason !== undefined) found.push({ file, imported: imported ?? match[0], reason });
  }
  return found;
}

/** The imports that are not allowed in any file of src/ below a project's folder. */
export function violationsBelow(root: string): readonly ImportViolation[] {
  return globSync('src/**/*.ts', { cwd: root })
    .toSorted()
    .flatMap((file) => violationsIn(file, readFileSync(join(root, file), 'utf8')));
}

function reasonAgainst(file: string, imported: string): string | undefined {
  // A port is a contract of types and values, so it may import what core may, whichever room it
  // stands in.
  const isPort = portFile.test(file);
  const rule = isPort ? pure : roomRules[roomOf(file)];
  const owner = isPort ? `the port ${file}` : `${roomOf(file)}/`;
  if (!imported.startsWith('.')) return reasonAgainstPackage(file, owner, rule, imported);
  const target = posix.join(posix.dirname(file), imported);
  if (!target.startsWith('src/')) return 'src/ imports nothing outside itself';
  const room = roomOf(target);
  if (rule === undefined) {
    return room === 'cli' && roomOf(file) !== 'cli' ? 'cli/ is imported by nothing' : undefined;
  }
  if (rule.rooms.includes(room) || (rule.ports === true && portFile.test(target))) return undefined;
  const allowed = [...rule.rooms.map((name) => `${name}/`), ...(rule.ports ? ['ports'] : [])];
  return `${owner} imports ${allowed.join(', ')} only`;
}

function reasonAgainstPackage(
  file: string,
  owner: string,
  rule: RoomRule | undefined,
  imported: string,
): string | undefined {
  const name = packageOf(imported);
  if (rule?.packages !== undefined && !rule.packages.includes(name)) {
    const allowed = rule.packages.length > 0 ? `${rule.packages.join(', ')} only` : 'no package';
    return `${owner} imports ${allowed}`;
  }
  const owners = packageOwners[name];
  if (owners === undefined || owners.some((path) => file.startsWith(path))) return undefined;
  return `${name} belongs to ${owners.join(' and ')}`;
}

/** The room of a path in src/: 'core' for 'src/core/checks/held.ts'. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function packageOf(imported: string): string {
  return imported.split('/', imported.startsWith('@') ? 2 : 1).join('/');
}

function main(): number {
  const violations = violationsBelow(join(import.meta.dirname, '..'));
  for (const { file, imported, reason } of violations) {
    console.error(`${file}: imports ${imported}, but ${reason}`);
  }
  return violations.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = main();
