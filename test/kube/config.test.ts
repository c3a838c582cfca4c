// Reading kubeconfigs with client-node: addresses, certificates, tokens, plugins and what is wrong.
import { expect } from 'chai';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConnection } from '../../src/kube/config.ts';

describe('connection', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'x0tta-config-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function write(user: unknown, cluster: object = {}, context = 'main'): string {
    const path = join(folder, 'kubeconfig');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': context,
      contexts: [
        { name: 'main', context: { cluster: 'c', user: 'u' } },
        { name: 'lost', context: { cluster: 'nowhere', user: 'u' } },
      ],
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
      users: [{ name: 'u', user }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  it('gives the address, certificates from data and files, and the server name', async () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    writeFileSync(join(folder, 'client.key'), 'KEY');
    const kubeconfigPath = write(
      { 'client-certificate-data': base64('CERT'), 'client-key': 'client.key' },
      { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' },
    );
    const connection = loadConnection({ kubeconfigPath });
    expect(connection.serverUrl).to.equal('https://127.0.0.1:6443');
    expect(await connection.credentials()).to.deep.equal({
      headers: {},
      tls: { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'kubernetes' },
    });
  });

  it('gives tokens and passwords as headers, and passes on that TLS is not verified', async () => {
    const token = loadConnection({
      kubeconfigPath: write({ token: 'secret\n' }, { 'insecure-skip-tls-verify': true }),
    });
    expect(await token.credentials()).to.deep.equal({
      headers: { Authorization: 'Bearer secret' },
      tls: { rejectUnauthorized: false },
    });
    const password = loadConnection({ kubeconfigPath: write({ username: 'a', password: 'b' }) });
    expect((await password.credentials()).headers).to.deep.equal({
      Authorization: `Basic ${Buffer.from('a:b').toString('base64')}`,
    });
  });

  it('reads a rotated kubeconfig when told that its credentials are refused', async () => {
    const connection = loadConnection({ kubeconfigPath: write({ token: 'old' }) });
    const header = async (): Promise<unknown> =>
      (await connection.credentials()).headers['Authorization'];
    expect(await header()).to.equal('Bearer old');
    write({ token: 'new' });
    expect(await header()).to.equal('Bearer old');
    connection.invalidate();
    expect(await header()).to.equal('Bearer new');
  });

  it('survives a file that is broken for a while', async () => {
    const connection = loadConnection({ kubeconfigPath: write({ token: 'old' }) });
    rmSync(join(folder, 'kubeconfig'));
    connection.invalidate();
    const error = await connection.credentials().then(
      () => undefined,
      (reason: unknown) => String(reason),
    );
    expect(error).to.include('does not exist');
    write({ token: 'new' });
    expect((await connection.credentials()).headers).to.deep.equal({
      Authorization: 'Bearer new',
    });
  });

  it('runs a plugin for its token, and again once it is refused', async () => {
    const plugin = join(folder, 'plugin');
    const output = '{"status":{"token":"run %d"}}';
    writeFileSync(
      plugin,
      `#!/bin/sh\ncd "${folder}"\necho run >> runs\nprintf '${output}' "$(wc -l < runs)"\n`,
    );
    chmodSync(plugin, 0o755);
    const apiVersion = 'client.authentication.k8s.io/v1';
    const connection = loadConnection({
      kubeconfigPath: write({ exec: { apiVersion, command: plugin, interactiveMode: 'Never' } }),
    });
    const header = async (): Promise<unknown> =>
      (await connection.credentials()).headers['Authorization'];
    expect(await header()).to.equal('Bearer run 1');
    expect(await header()).to.equal('Bearer run 1');
    connection.invalidate();
    expect(await header()).to.equal('Bearer run 2');
  });

  it('says what is wrong with a configuration', () => {
    const missing = join(folder, 'missing');
    expect(() => loadConnection({ kubeconfigPath: missing })).to.throw('does not exist');
    for (const context of ['lost', 'none']) {
      const kubeconfigPath = write({ token: 'x' }, {}, context);
      expect(() => loadConnection({ kubeconfigPath }), context).to.throw('names no cluster');
    }
    const proxied = write({ token: 'x' }, { 'proxy-url': 'http://127.0.0.1:1' });
    expect(() => loadConnection({ kubeconfigPath: proxied })).to.throw('proxy-url');
    const plain = write({ token: 'x' }, { server: 'http://127.0.0.1:1' });
    expect(() => loadConnection({ kubeconfigPath: plain })).to.throw('no https address');
  });
});
