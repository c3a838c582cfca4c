// The sandbox itself: it hands on the exit code, the host reaches what it is offered and no more,
// and a sandbox that was killed leaves nothing once the next one has started. The sandboxes of
// these tests are inside the one that the tests run in.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { request } from 'undici';
import { waitFor } from './process.ts';
import { cgroupHierarchies } from './reaper.ts';

const here = import.meta.dirname;
const serve = `
import { createServer } from 'node:http';
import { reachFromHost } from '${join(here, 'forward.ts')}';
const server = createServer((request, response) => response.end('from inside'));
server.listen(0, '127.0.0.1', async () => {
  const inside = 'http://127.0.0.1:' + server.address().port;
  try {
    console.log(JSON.stringify({ inside, outside: await reachFromHost('server', inside) }));
  } catch (error) {
    console.log(JSON.stringify({ refusal: error.message }));
    server.close();
  }
});`;
const serveCommand = [process.execPath, '--input-type=module', '--eval', serve];

describe('the sandbox', () => {
  const running: ChildProcess[] = [];
  const start = (...args: readonly string[]): ChildProcess => {
    const child = spawn(process.execPath, [join(here, 'sandbox.ts'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.push(child);
    return child;
  };

  afterEach(async () => {
    for (const child of running.splice(0)) {
      child.kill('SIGTERM');
      await exitOf(child);
    }
  });

  it('exits with the code of its command', async () => {
    expect(await exitOf(start('--', 'sh', '-c', 'exit 7'))).to.equal(7);
  });

  it('lets the host reach a server that was offered to it', async () => {
    const { outside = '' } = await firstLine(start('--forward', '--', ...serveCommand));
    const answer = await request(outside);
    expect(await answer.body.text()).to.equal('from inside');
  });

  it('offers nothing to the host unless it was asked to', async () => {
    const { refusal } = await firstLine(start('--', ...serveCommand));
    expect(refusal).to.include('sandbox.ts --forward');
  });

  it('leaves nothing after SIGKILL once the next one has started', async () => {
    const killed = start('--forward', '--', ...serveCommand);
    await firstLine(killed);
    const inside = processesWith('reachFromHost');
    expect(inside).to.not.be.empty;
    const group = String(killed.pid);
    killed.kill('SIGKILL');
    await exitOf(killed);
    await waitFor('the end of all in it', () => processesWith('reachFromHost').length === 0);
    expect(foldersOf(group)).to.not.be.empty;
    await exitOf(start('--', 'true'));
    expect(foldersOf(group)).to.be.empty;
  });
});

function exitOf(child: ChildProcess): Promise<number | string | null> {
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  if (child.signalCode !== null) return Promise.resolve(child.signalCode);
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal));
  });
}

async function firstLine(child: ChildProcess): Promise<Readonly<Record<string, string>>> {
  if (child.stdout === null) throw new Error('standard output is not a pipe');
  for await (const line of createInterface({ input: child.stdout }))
    return JSON.parse(line) as Readonly<Record<string, string>>;
  throw new Error('the command ended without a line');
}

function processesWith(argument: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(argument);
    } catch {
      return false;
    }
  });
}

/** The folders and control groups of the sandbox whose owner had this process id. */
function foldersOf(pid: string): readonly string[] {
  const outer = process.env['X0TTA_SANDBOX_CGROUP'] ?? '';
  const groups = cgroupHierarchies().map((hierarchy) => join(hierarchy, outer));
  const sandboxes = join(process.env['X0TTA_SANDBOX_FOLDER'] ?? '', 'x0tta-clusters');
  return [...groups, sandboxes].flatMap((folder) => {
    try {
      return readdirSync(folder).filter((name) => name.replace('x0tta-', '').startsWith(`${pid}-`));
    } catch {
      return [];
    }
  });
}
