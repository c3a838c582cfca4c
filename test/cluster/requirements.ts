// What the machine must have before a sandbox or a node can start, each with the command that would
// provide it. It looks only; it installs nothing.
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** One thing that is missing, and a sentence with the command that would provide it. */
export interface MissingRequirement {
  readonly what: string;
  readonly remedy: string;
}

// Command and Debian package.
const sandboxCommands = [
  ['unshare', 'util-linux'],
  ['setpriv', 'util-linux'],
  ['mount', 'mount'],
  ['ip', 'iproute2'],
] as const;
const nodeCommands = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
  ['iptables', 'iptables'],
  ['docker-registry', 'docker-registry'],
  ['ipset', 'ipset'],
  ['tar', 'tar'],
] as const;

/** Folder in which Debian's containernetworking-plugins puts the CNI plugins. */
export const cniFolder = '/usr/lib/cni';

/** What is missing to run a command in a sandbox; empty when nothing is. */
export function missingForSandbox(): readonly MissingRequirement[] {
  if (process.platform !== 'linux') {
    return [{ what: 'Linux', remedy: 'run this on a Linux machine, for example in a virtual one' }];
  }
  if (process.getuid?.() !== 0) {
    return [
      {
        what: 'root',
        remedy: 'namespaces are made by root: run `sudo -E env "PATH=$PATH" make …`',
      },
    ];
  }
  return missingCommands(sandboxCommands);
}

/** What is missing to start a node in a sandbox; empty when nothing is. */
export function missingForNode(): readonly MissingRequirement[] {
  const commands = missingCommands(nodeCommands);
  const plugins = ['bridge', 'host-local', 'loopback'].filter(
    (name) => !existsSync(join(cniFolder, name)),
  );
  return [
    ...commands,
    ...plugins.map((name) => missing(`${cniFolder}/${name}`, 'containernetworking-plugins')),
  ];
}

function missingCommands(
  commands: readonly (readonly [string, string])[],
): readonly MissingRequirement[] {
  return commands
    .filter(([name]) => !isOnPath(name))
    .map(([name, debianPackage]) => missing(name, debianPackage));
}

function missing(what: string, debianPackage: string): MissingRequirement {
  return { what, remedy: `run \`apt-get install -y --no-install-recommends ${debianPackage}\`` };
}

function isOnPath(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
