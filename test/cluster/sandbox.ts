// Runs a command in process, mount and network namespaces of its own: whatever kills the command or
// this process ends every process of its clusters, and mounts, links, routes and rules go with the
// namespaces. It starts no cluster.
//
//   node test/cluster/sandbox.ts [--forward] -- COMMAND ARGUMENTS…
//
// With --forward the command can make servers reachable from the host's loopback; see forward.ts.
// Exit code: the command's; 3 when something is missing on this machine; 128 plus the signal when
// it was ended.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { pathToFileURL } from 'node:url';
import { forwardToHost } from './forward.ts';
import { ownPlace, reapDead, removePlace, startTimeOf } from './reaper.ts';
import type { SandboxPlace } from './reaper.ts';
import { missingForSandbox } from './requirements.ts';

const graceMs = 8_000;
const parentPollMs = 500;

// Process 1 of the namespace: it collects orphans and hands on signals and the exit code. `env`
// undoes the shell's ignoring of SIGINT in background commands, and descriptor 3 its taking their
// standard input away.
const init = `
ip link set lo up || exit 125
exec 3<&0
env --default-signal=INT,QUIT "$@" <&3 3<&- &
child=$!
trap 'kill -TERM $child' TERM
trap 'kill -INT $child' INT
while :; do
  wait $child
  code=$?
  kill -0 $child 2>/dev/null || exit $code
done`;

/** Runs the command in a sandbox and returns its exit code. */
async function runSandboxed(command: readonly string[], forward: boolean): Promise<number> {
  for (const id of await reapDead()) console.error(`sandbox: removed what ${id} had left`);
  const place = ownPlace();
  mkdirSync(place.folder, { recursive: true, mode: 0o700 });
  const stopForwarding = forward ? forwardToHost(place.folder) : undefined;
  try {
    return await runInNamespaces(command, place);
  } finally {
    stopForwarding?.();
    await removePlace(place);
  }
}

async function runInNamespaces(command: readonly string[], place: SandboxPlace): Promise<number> {
  const namespaces = [
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child=SIGKILL',
    '--mount-proc',
  ];
  const unshare = ['unshare', ...namespaces, '--propagation', 'private', '--'];
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', ...unshare, 'sh', '-c', init, 'sandbox', ...command],
    {
      // A session of its own: Ctrl-C reaches this process alone, which decides what is told to
      // whom.
      detached: true,
      stdio: [process.stdin.isTTY ? 'ignore' : 'inherit', 'inherit', 'inherit'],
      env: {
        ...process.env,
        X0TTA_SANDBOX_FOLDER: place.folder,
        X0TTA_SANDBOX_CGROUP: place.cgroup,
      },
    },
  );
  const exited = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']),
    );
  });
  const stopWatching = endWhenParentDies(() => signalInit(child, 'SIGKILL'));
  let signals = 0;
  const pass = (signal: NodeJS.Signals): void => {
    signals += 1;
    signalInit(child, signals === 1 ? signal : 'SIGKILL');
    if (signals === 1) setTimeout(() => signalInit(child, 'SIGKILL'), graceMs).unref();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => pass(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM'));
  }
  try {
    return await exited;
  } finally {
    stopWatching();
  }
}

/**
 * Signals process 1 of the namespace; with SIGKILL the kernel ends all of the namespace before
 * unshare returns.
 */
function signalInit(unshare: ChildProcess, signal: NodeJS.Signals): void {
  const pid = unshare.pid;
  if (pid === undefined || unshare.exitCode !== null || unshare.signalCode !== null) return;
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    process.kill(children === '' ? pid : Number(children.split(' ')[0]), signal);
  } catch {
    // It ended in between; its exit is on the way.
  }
}

/**
 * Calls `end` when the parent, or any process between this one and the `make` that started it, is
 * gone.
 */
function endWhenParentDies(end: () => void): () => void {
  const ancestors = ancestorsUpToMake().map((pid) => ({ pid, startTime: startTimeOf(pid) }));
  const timer = setInterval(() => {
    if (ancestors.some(({ pid, startTime }) => startTimeOf(pid) !== startTime)) end();
  }, parentPollMs);
  return () => clearInterval(timer);
}

function ancestorsUpToMake(): readonly number[] {
  const chain: number[] = [];
  for (let pid = process.ppid; pid > 1;) {
    chain.push(pid);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    if (stat.includes('(make)')) return chain;
    pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  }
  return chain.slice(0, 1);
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const forward = args[0] === '--forward';
  const [separator, ...command] = forward ? args.slice(1) : args;
  if (separator !== '--' || command.length === 0) {
    console.error('usage: node test/cluster/sandbox.ts [--forward] -- COMMAND ARGUMENTS…');
    return 2;
  }
  const missing = missingForSandbox();
  for (const { what, remedy } of missing) console.error(`sandbox: ${what} is missing; ${remedy}`);
  return missing.length > 0 ? 3 : runSandboxed(command, forward);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exit(await main());
