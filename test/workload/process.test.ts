// The sample workload as the process that the image runs: the bundled file, its start, its end on
// SIGTERM, its crash and its refusal of bad settings.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { expect } from 'chai';

import { waitFor } from '../cluster/process.ts';
import { bundleServer } from '../cluster/workload/image.ts';

interface Started {
  readonly child: ChildProcess;
  readonly exit: Promise<readonly unknown[]>;
  /** The rest of the first line that begins so. */
  readonly line: (start: string) => Promise<string>;
}

describe('the process of the sample workload', function () {
  this.timeout(20_000);
  let folder: string;
  let file: string;
  const children: ChildProcess[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sample-'));
    file = join(folder, 'server.cjs');
    await writeFile(file, await bundleServer());
  });

  after(async () => {
    for (const child of children) child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });

  function start(env: Readonly<Record<string, string>>): Started {
    const child = spawn(process.execPath, [file], {
      env: { PORT: '0', HOST: '127.0.0.1', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (text) => lines.push(text));
    const find = (begin: string): string | undefined =>
      lines.find((text) => text.startsWith(begin))?.slice(begin.length);
    return {
      child,
      exit: once(child, 'close'),
      line: async (begin) => {
        for (let found = find(begin); ; found = find(begin)) {
          if (found !== undefined) return found;
          const ended = new AbortController();
          reader.once('close', () => {
            ended.abort();
          });
          await once(reader, 'line', { signal: ended.signal });
        }
      },
    };
  }

  async function urlOf({ line }: Started): Promise<string> {
    return `http://127.0.0.1:${await line('listening on port ')}`;
  }

  it('reports the memory that it holds, as the kernel counts it', async () => {
    const url = await urlOf(start({ MEMORY_MB_PER_SECOND: '1000', MEMORY_MAX_MB: '300' }));
    const resident = async (): Promise<number> => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^process_resident_memory_bytes(?:\{.*\})? (\S+)$/m.exec(text)?.[1]);
    };
    // Without the ballast such a process stays far below 300 MB.
    await waitFor('300 MB in use', async () => (await resident()) > 300e6);
  });

  it('finishes the request in flight after SIGTERM and exits 0, whoever is there', async () => {
    const started = start({ LATENCY_MS: '400', VERSION: 'v7' });
    const url = await urlOf(started);
    const silent = connect(Number(new URL(url).port), '127.0.0.1');
    const silentClosed = once(silent, 'close');
    await once(silent, 'connect');
    const slow = fetch(url);
    // The handshake is counted when the request begins, so the request is in flight from here on.
    while (!(await (await fetch(`${url}/metrics`)).text()).includes('success_total 1\n'));
    started.child.kill('SIGTERM');
    const response = await slow;
    expect(response.status).to.equal(200);
    expect(response.headers.get('connection')).to.equal('close');
    expect(await response.json()).to.include({ version: 'v7' });
    expect(await started.exit).to.deep.equal([0, null]);
    silent.resume();
    await silentClosed;
  });

  it('takes new connections while it drains', async () => {
    const started = start({ TERMINATION_DRAIN_MS: '1000' });
    const url = await urlOf(started);
    started.child.kill('SIGTERM');
    await started.line('draining');
    const response = await fetch(url);
    expect(response.status).to.equal(200);
    expect(response.headers.get('connection')).to.equal('close');
    expect(await started.exit).to.deep.equal([0, null]);
  });

  it('exits 1 when it is told to crash', async () => {
    expect(await start({ CRASH_AFTER_SECONDS: '0' }).exit).to.deep.equal([1, null]);
  });

  it('exits 2 and names the setting when one is wrong', async () => {
    const started = start({ ERROR_RATIO: '30' });
    const message = await started.line('ERROR_RATIO: ');
    expect(message).to.equal('expected a number from 0 to 1, got 30');
    expect(await started.exit).to.deep.equal([2, null]);
  });
});
