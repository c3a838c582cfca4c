// What a sandbox leaves outside its namespaces: a folder and control groups, both named after the
// process that owns them, so that the next start can tell what a dead one left and remove it. It
// ends no process.
import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Where one sandbox keeps what lies outside its namespaces. */
export interface SandboxPlace {
  /** Process id and start time of the owner in clock ticks since boot: '4711-1234567'. */
  readonly id: string;
  /** Folder of everything the clusters of this sandbox write. */
  readonly folder: string;
  /**
   * Path of the control group below each hierarchy, with a leading slash: '/x0tta-4711-1234567'.
   */
  readonly cgroup: string;
}

const cgroupMount = '/sys/fs/cgroup';
const cgroupPrefix = 'x0tta-';

/**
 * Start time of a process in clock ticks since boot (proc(5), stat field 22); undefined when there
 * is none.
 */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in brackets and may itself hold spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie is dead already; it only waits for its parent.
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/**
 * The place of the sandbox that the calling process owns; nested in the sandbox around it, if there
 * is one.
 */
export function ownPlace(): SandboxPlace {
  const id = `${process.pid}-${startTimeOf(process.pid) ?? '0'}`;
  return {
    id,
    folder: join(sandboxesFolder(), id),
    cgroup: `${outerCgroup()}/${cgroupPrefix}${id}`,
  };
}

/**
 * Removes the folder and control groups of every sandbox whose owner is dead; returns their ids.
 */
export async function reapDead(): Promise<readonly string[]> {
  const ids = new Set(entriesOf(sandboxesFolder()));
  for (const hierarchy of cgroupHierarchies()) {
    for (const name of entriesOf(join(hierarchy, outerCgroup()))) {
      if (name.startsWith(cgroupPrefix)) ids.add(name.slice(cgroupPrefix.length));
    }
  }
  const dead = [...ids].filter((id) => /^\d+-\d+$/.test(id) && !isAlive(id));
  for (const id of dead) {
    await removePlace({
      id,
      folder: join(sandboxesFolder(), id),
      cgroup: `${outerCgroup()}/${cgroupPrefix}${id}`,
    });
  }
  return dead;
}

/** Removes a sandbox's control groups and folder; its processes must be gone or about to be. */
export async function removePlace(place: SandboxPlace): Promise<void> {
  await removeCgroups(place.cgroup);
  await rm(place.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/**
 * Removes a control group and all below it in every hierarchy. A group stays busy for some
 * milliseconds after its last process ended, so this tries for up to three seconds.
 * @throws Error naming the group that still has processes in it.
 */
export async function removeCgroups(cgroup: string): Promise<void> {
  for (const hierarchy of cgroupHierarchies()) {
    const group = join(hierarchy, cgroup);
    for (let attempt = 0; !removeGroup(group); attempt += 1) {
      if (attempt === 60) throw new Error(`control group ${group} still has processes`);
      await delay(50);
    }
  }
}

/**
 * The folder of each mounted hierarchy; the one folder of them all on a machine with cgroup v2
 * alone.
 */
export function cgroupHierarchies(): readonly string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8');
  return mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, target, type]) => type?.startsWith('cgroup') && target?.startsWith(cgroupMount))
    .map(([, target]) => target ?? cgroupMount);
}

function removeGroup(group: string): boolean {
  const children = entriesOf(group, true);
  const emptied = children.map((name) => removeGroup(join(group, name)));
  if (emptied.includes(false)) return false;
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}

function isAlive(id: string): boolean {
  const [pid, startTime] = id.split('-');
  return startTimeOf(Number(pid)) === startTime;
}

function sandboxesFolder(): string {
  return join(process.env['X0TTA_SANDBOX_FOLDER'] ?? tmpdir(), 'x0tta-clusters');
}

function outerCgroup(): string {
  return process.env['X0TTA_SANDBOX_CGROUP'] ?? '';
}

function entriesOf(folder: string, foldersOnly = false): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries
      .filter((entry) => !foldersOnly || entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
