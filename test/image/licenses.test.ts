// The licences that go with a bundle: every package has one, or the image is not made.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { bundleOperator } from '../../scripts/bundle.ts';
import { licensesOf } from '../../scripts/image/licenses.ts';

const section = 'License\n---\nCopyright (c) 2013 Somebody\nTHE SOFTWARE IS WITHOUT WARRANTY\n';

describe('the licences of a bundle', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'x0tta-licences-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const put = (name: string, version: string, files: Readonly<Record<string, string>>): string => {
    const folder = `node_modules/${name}`;
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, 'package.json'), JSON.stringify({ name, version }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, folder, file), text);
    return folder;
  };
  const textsOf = (...folders: readonly string[]): Readonly<Record<string, string>> =>
    Object.fromEntries(
      licensesOf(root, folders).map(({ path, content }) => [path, content.toString()]),
    );

  it('are the licence files and notices of each package', () => {
    const scoped = put('@a/b', '1.0.0', { 'license.md': 'one', NOTICE: 'two', 'index.js': '' });
    expect(textsOf(scoped, put('c', '2.0.0', { 'LICENCE-MIT': 'three' }))).to.deep.equal({
      'licenses/npm/@a/b@1.0.0/license.md': 'one',
      'licenses/npm/@a/b@1.0.0/NOTICE': 'two',
      'licenses/npm/c@2.0.0/LICENCE-MIT': 'three',
    });
  });

  it('are taken from a README that has the whole text', () => {
    const folder = put('d', '1.0.0', { 'README.md': `# d\n\nUse it.\n\n${section}` });
    expect(textsOf(folder)).to.deep.equal({ 'licenses/npm/d@1.0.0/LICENSE': section });
  });

  it('are asked for by the names of all packages that have none', () => {
    const named = put('e', '1.0.0', { 'README.md': '# e\n\n## License\n\nMIT\n' });
    const without = put('f', '2.0.0', { 'licenses.js': '' });
    expect(() => textsOf(named, without)).to.throw('no text of a licence is in e@1.0.0, f@2.0.0');
  });

  it('are looked for in each package that the bundle has code of, and in no other', async () => {
    const { packageFolders } = await bundleOperator();
    expect(packageFolders).to.include.members([
      'node_modules/@kubernetes/client-node',
      'node_modules/socks-proxy-agent/node_modules/agent-base',
      'node_modules/zod',
    ]);
    expect(packageFolders).to.not.include('node_modules/esbuild');
    expect(licensesOf(join(import.meta.dirname, '../..'), packageFolders)).to.not.be.empty;
  });
});
