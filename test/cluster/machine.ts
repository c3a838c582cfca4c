// Makes the sandbox's namespaces into a machine that a node can run on: address, routes, and
// folders of its own where the node's programs have fixed paths. Undoes all of it when the cluster
// stops.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { Parts } from './parts.ts';
import { cgroupHierarchies, removeCgroups } from './reaper.ts';
import { missingForNode } from './requirements.ts';

/** Address of the node, at which pods reach what runs beside them. */
export const nodeAddress = '198.18.255.1';

/** Name of the bridge that the pods are on. */
export const podBridge = 'pods0';

const nodeLink = 'node0';
// Programs of a node write to these whatever their settings are. The mounts are in the sandbox's
// own namespace; where a mount point does not exist, the empty folder made for it stays.
const fixedFolders = ['/run', '/var/lib/cni', '/var/lib/kubelet', '/var/log'];
// Settings of the whole machine, at the values that a kubelet insists on. It reads and writes
// files that lie over them, so that the machine keeps its own.
const kernelSettings = {
  '/proc/sys/vm/overcommit_memory': '1',
  '/proc/sys/vm/panic_on_oom': '0',
  '/proc/sys/kernel/panic': '10',
  '/proc/sys/kernel/panic_on_oops': '1',
  '/proc/sys/kernel/keys/root_maxkeys': '1000000',
  '/proc/sys/kernel/keys/root_maxbytes': '25000000',
} as const;

/**
 * Prepares the sandbox for a node and returns the control group under which its pods run.
 * @throws Error when packages are missing or the sandbox has a node already.
 */
export async function prepareMachine(parts: Parts): Promise<string> {
  const missing = missingForNode();
  if (missing.length > 0) {
    throw new Error(missing.map(({ what, remedy }) => `${what} is missing; ${remedy}`).join('\n'));
  }
  const links = await runCommand('ip', ['-o', 'link']);
  if (links.includes(` ${nodeLink}:`)) {
    throw new Error('a sandbox holds one node at a time; stop the other cluster first');
  }
  // A bridge without ports stands in for a network card; not every kernel has the dummy device.
  await runCommand('ip', ['link', 'add', nodeLink, 'type', 'bridge']);
  parts.onStop(removeNetwork);
  await runCommand('ip', ['address', 'add', `${nodeAddress}/32`, 'dev', nodeLink]);
  await runCommand('ip', ['link', 'set', nodeLink, 'up']);
  // Service addresses must have a route before the rules of kube-proxy see a packet.
  await runCommand('ip', ['route', 'add', 'default', 'dev', nodeLink]);
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');

  await coverFixedPaths(parts);
  return makeCgroup(parts);
}

async function coverFixedPaths(parts: Parts): Promise<void> {
  const machine = join(parts.folder, 'machine');
  mkdirSync(machine);
  parts.onStop(() => unmountBelow([...fixedFolders, ...Object.keys(kernelSettings), parts.folder]));
  for (const target of fixedFolders) {
    const source = join(machine, target.replaceAll('/', '-'));
    mkdirSync(source);
    mkdirSync(target, { recursive: true });
    await runCommand('mount', ['--bind', source, target]);
  }
  for (const [target, value] of Object.entries(kernelSettings)) {
    const source = join(machine, target.replaceAll('/', '-'));
    writeFileSync(source, `${value}\n`);
    await runCommand('mount', ['--bind', source, target]);
  }
}

/**
 * Ends every process of the node's pods and the shims that hold them, which outlive the container
 * runtime.
 */
export function killPods(cgroup: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (textOf(`/proc/${pid}/cmdline`).includes('containerd-shim')) kill(pid);
  }
  for (const hierarchy of cgroupHierarchies()) {
    for (const pid of processesBelow(join(hierarchy, cgroup))) kill(pid);
  }
}

function makeCgroup(parts: Parts): string {
  const sandboxCgroup = process.env['X0TTA_SANDBOX_CGROUP'];
  if (sandboxCgroup === undefined) throw new Error('a node needs the control group of a sandbox');
  const cgroup = `${sandboxCgroup}/node`;
  parts.onStop(() => removeCgroups(cgroup));
  parts.onStop(() => killPods(cgroup));
  const hierarchies = cgroupHierarchies();
  for (const hierarchy of hierarchies) {
    mkdirSync(join(hierarchy, cgroup), { recursive: true });
    if (hierarchies.length === 1) handDownControllers(hierarchy, cgroup);
  }
  return cgroup;
}

/** In cgroup v2 a group has only the controllers that every group above it hands down. */
function handDownControllers(hierarchy: string, cgroup: string): void {
  let group = hierarchy;
  for (const name of cgroup.split('/').filter(Boolean)) {
    const controllers = textOf(join(group, 'cgroup.controllers')).trim().split(' ');
    const wanted = controllers.filter(Boolean).map((controller) => `+${controller}`);
    writeFileSync(join(group, 'cgroup.subtree_control'), wanted.join(' '));
    group = join(group, name);
  }
}

async function removeNetwork(): Promise<void> {
  const links = (await runCommand('ip', ['-o', 'link'])).split('\n');
  for (const link of [nodeLink, podBridge]) {
    if (links.some((line) => line.includes(` ${link}:`)))
      await runCommand('ip', ['link', 'delete', link]);
  }
  const tables = ['mangle', 'nat', 'filter'].map((table) => `*${table}\nCOMMIT\n`);
  await runCommand('iptables-restore', [], { input: tables.join('') });
}

async function unmountBelow(folders: readonly string[]): Promise<void> {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').trim().split('\n');
  const targets = mounts.map((line) => line.split(' ')[1] ?? '').toReversed();
  for (const target of targets) {
    const ours = folders.some((folder) => target === folder || target.startsWith(`${folder}/`));
    // Lazily: a process that is about to end may still be in there.
    if (ours) await runCommand('umount', ['--lazy', target]);
  }
}

function processesBelow(group: string): readonly string[] {
  try {
    const entries = readdirSync(group, { withFileTypes: true });
    const below = entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(group, name));
    const own = textOf(join(group, 'cgroup.procs')).split('\n').filter(Boolean);
    return [...own, ...below.flatMap(processesBelow)];
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: string): void {
  try {
    process.kill(Number(pid), 'SIGKILL');
  } catch {
    // It has ended since the list was read.
  }
}
