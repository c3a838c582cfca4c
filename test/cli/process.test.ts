// The bundled operator as a process: what it does before, and without, an API server.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { request } from 'undici';
import { freePorts } from '../cluster/ports.ts';
import { OperatorFolder } from './operatorProcess.ts';

/**
 * Says on descriptor 3 that SIGTERM is handled, in the moment from which on it is, and how many of
 * Node's modules the bundle had loaded by then besides those that its first lines import.
 */
const marksHandler = `
  import Module from 'node:module';
  import { writeSync } from 'node:fs';
  const { on } = process;
  const { _load } = Module;
  let loaded = 0;
  Module._load = function (...args) {
    loaded++;
    return _load.apply(this, args);
  };
  process.on = function (event, ...rest) {
    const result = on.call(this, event, ...rest);
    if (event === 'SIGTERM') writeSync(3, String(loaded));
    return result;
  };
`;

describe('the process of the operator', function () {
  this.timeout(30_000);
  const folder = new OperatorFolder();
  let away: readonly string[];

  before(async () => {
    await folder.open();
    const [port = 0] = await freePorts(1);
    away = folder.flagsFor(port);
  });

  after(() => folder.close());

  it('ends well by a SIGTERM that comes while it is loaded, which it handles first', async () => {
    const hook = folder.write('marks.mjs', marksHandler);
    const operator = folder.start(away, ['--import', hook]);
    const [loaded] = (await once(operator.marks, 'data')) as [Buffer];
    operator.kill('SIGTERM');
    expect(await operator.ended).to.deep.equal([0, null]);
    expect(operator.lines.at(-1)).to.include({ level: 'info', reason: 'SIGTERM' });
    expect(loaded.toString(), 'modules that were loaded before').to.equal('0');
  });

  it('waits for an API server that is away, alive and not ready, until its end', async () => {
    const operator = folder.start(away);
    const { probes } = await operator.line('listening');
    const { server } = await operator.line('waiting for the API server');
    const probe = async (path: string): Promise<readonly [number, string]> => {
      const { statusCode, body } = await request(`http://127.0.0.1:${String(probes)}${path}`);
      return [statusCode, await body.text()];
    };
    expect(await probe('/healthz')).to.deep.equal([200, 'ok\n']);
    const [status, text] = await probe('/readyz');
    expect(status).to.equal(503);
    expect(text).to.include(`not ready: the API server ${String(server)} (GET /`);
    operator.kill('SIGTERM');
    expect(await operator.ended).to.deep.equal([0, null]);
    const faults = operator.lines.filter(({ level }) => level === 'error');
    expect(faults).to.deep.equal([]);
  });

  it('says with what it starts', async () => {
    const operator = folder.start([...away, '--namespace=mesh']);
    const line = await operator.line('starting');
    expect(line).to.include({ version: version(), node: process.version });
    expect(line['flags']).to.include.members(['--namespace=mesh', '--lease-duration=15s']);
    expect(line['configuration']).to.match(/^[0-9a-f]{12}$/);
    const other = folder.write('other.yaml', 'servers: [{ name: a, url: "http://127.0.0.1:9" }]');
    const changed = folder.start([...away, `--config=${other}`]);
    const { configuration } = await changed.line('starting');
    expect(configuration).to.match(/^[0-9a-f]{12}$/);
    expect(configuration).to.not.equal(line['configuration']);
  });

  it('says one line of an error that nobody expected, and ends', async () => {
    for (const broken of ['throw new Error("odd")', 'Promise.reject(new Error("odd"))']) {
      const hook = `data:text/javascript,setTimeout(() => { ${broken} }, 0)`;
      const operator = folder.start(away, ['--import', encodeURI(hook)]);
      expect(await operator.ended, broken).to.deep.equal([1, null]);
      const line = operator.lines.find(({ error }) => String(error).includes('odd'));
      expect(line).to.include({ level: 'error' });
      expect(line?.['error']).to.match(/^Error: odd\n +at /);
    }
  });

  for (const [what, content, words] of [
    ['a configuration that is not there', null, /--config can't be read: .*nowhere/],
    ['a wrong configuration', 'servers: [{ name: main }]', /wrong\.yaml:1:\d+: servers\.0\.url/],
  ] as const) {
    it(`ends with the reason by ${what}`, async () => {
      const file = content === null ? '/nowhere' : folder.write('wrong.yaml', content);
      const operator = folder.start([...away, `--config=${file}`]);
      expect(await operator.ended).to.deep.equal([1, null]);
      expect(await operator.error).to.match(words);
    });
  }

  for (const [what, content, words] of [
    ['that is not there', null, /kubeconfig .*missing does not exist/],
    ['that is no YAML', '{', /kubeconfig .*broken can't be read/],
    ['without a cluster', '{"apiVersion": "v1", "kind": "Config"}', /names no cluster/],
  ] as const) {
    it(`ends with the reason by a kubeconfig ${what}`, async () => {
      const file =
        content === null ? join(folder.path, 'missing') : folder.write('broken', content);
      const operator = folder.start([...away, `--kubeconfig=${file}`]);
      expect(await operator.ended).to.deep.equal([1, null]);
      expect(await operator.error).to.match(words);
    });
  }

  it('ends when an address is taken, and names the flag', async () => {
    const first = folder.start(away);
    const { probes } = await first.line('listening');
    const second = folder.start([...away, `--probe-listen=127.0.0.1:${String(probes)}`]);
    expect(await second.ended).to.deep.equal([1, null]);
    expect(await second.error).to.match(/can't listen on .* another --probe-listen/);
  });

  it('prints its version, its flags, and what is wrong with them', async () => {
    const asked = folder.start(['--version']);
    expect(await asked.ended).to.deep.equal([0, null]);
    expect(asked.lines).to.deep.equal([{ message: `x0tta ${version()}` }]);
    const helped = folder.start(['--help']);
    expect(await helped.ended).to.deep.equal([0, null]);
    expect(helped.lines.map(({ message }) => message).join('\n')).to.include('--probe-listen');
    const refused = folder.start(['--lisen=:1', ...away]);
    expect(await refused.ended).to.deep.equal([2, null]);
    expect(await refused.error).to.match(/--lisen.*--help/);
  });
});

function version(): string {
  const file = join(import.meta.dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
}
