// The operator's image as `make image` makes it, for both platforms: that it is always the same,
// that it holds what it should, and that the one for this machine starts. The other one is not run.
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { isElf, readElf } from '../../scripts/image/elf.ts';
import { makeImage } from '../../scripts/image/make.ts';
import { ownPlatform, platforms } from '../../scripts/image/platforms.ts';
import { runCommand } from './command.ts';
import { filesBelow, imagesIn, unpackImage } from './imageFiles.ts';
import type { RootFile } from './imageFiles.ts';
import { imageLayout } from './operatorImage.ts';

const maxPackedMebibytes = 60;

describe('the image', function () {
  this.timeout(240_000);
  const order = { platforms, freshness: 'cached', warn: console.error } as const;
  const roots = new Map<string, ReadonlyMap<string, RootFile>>();
  let folder = '';
  let digest = '';

  before(async () => {
    folder = mkdtempSync(join(process.env['X0TTA_SANDBOX_FOLDER'] ?? tmpdir(), 'x0tta-image-'));
    digest = (await makeImage(join(folder, 'layout'), order)).digest;
    for (const image of imagesIn(join(folder, 'layout'))) {
      const root = join(folder, image.architecture);
      await unpackImage(image, root);
      roots.set(image.architecture, filesBelow(root));
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const textOf = (architecture: string, path: string): string =>
    roots.get(architecture)?.get(path)?.content.toString() ?? '';

  it('has the same digest when it is made again elsewhere', async () => {
    expect((await makeImage(join(folder, 'again'), order)).digest).to.equal(digest);
  });

  it(`is under ${maxPackedMebibytes} MiB a platform`, () => {
    const images = imagesIn(join(folder, 'layout'));
    expect(images.map(({ architecture }) => architecture)).to.deep.equal(['amd64', 'arm64']);
    for (const { packedBytes } of images) {
      expect(packedBytes / 2 ** 20).to.be.within(20, maxPackedMebibytes);
    }
  });

  for (const { architecture, elfMachine } of platforms) {
    it(`has binaries for ${architecture} alone, and runs Node and its loader only`, () => {
      const files = [...(roots.get(architecture) ?? [])];
      const binaries = files.filter(([, { content }]) => isElf(content));
      const machines = binaries.map(([, { content }]) => readElf(content).machine);
      expect([...new Set(machines)]).to.deep.equal([elfMachine]);
      const runnable = files.filter(([, { mode }]) => (mode & 0o111) !== 0);
      expect(runnable.map(([path]) => path.replace(/^lib.*ld-linux.*/, 'loader'))).to.have.members([
        'loader',
        'usr/local/bin/node',
      ]);
      expect([...new Set(files.map(([, { owner }]) => owner))]).to.deep.equal(['0:0']);
    });

    it(`has certificates, a user and licences on ${architecture}`, () => {
      const bundle = textOf(architecture, 'etc/ssl/certs/ca-certificates.crt');
      const certificates = bundle.match(/-----BEGIN[^]+?END CERTIFICATE-----/g) ?? [];
      expect(certificates.map((text) => new X509Certificate(text).ca)).to.include(true);
      expect(certificates).to.have.length.above(100);
      expect(textOf(architecture, 'etc/passwd')).to.include('x0tta:x:65532:65532:');
      expect(textOf(architecture, 'etc/group')).to.include('x0tta:x:65532:');
      expect(textOf(architecture, 'app/operator.mjs.map')).to.include('src/cli/operator.ts');
      for (const path of ['x0tta/LICENSE', 'node/LICENSE', 'debian/libc6/copyright']) {
        expect(textOf(architecture, `licenses/${path}`), path).to.include('Copyright');
      }
    });
  }

  it('starts on this machine as its user, with the flags of its entrypoint', async () => {
    const { architecture } = ownPlatform();
    const image = imagesIn(join(folder, 'layout')).find((one) => one.architecture === architecture);
    const { User = '', Entrypoint = [], Env = [] } = image?.config ?? {};
    const chroot = ['/usr/sbin/chroot', `--userspec=${User}`, join(folder, architecture)];
    const outcome = await runCommand('env', [
      '-i',
      ...Env,
      ...chroot,
      ...Entrypoint,
      '--none',
    ]).then(() => 'it took an option that does not exist', String);
    expect(outcome).to.include("x0tta: Unknown option '--none'");
  });

  it('is found by the tests that install it, for this machine', async () => {
    const layout = await imageLayout();
    expect(await imageLayout()).to.equal(layout);
    const { architecture } = ownPlatform();
    const layersOf = (of: string): unknown =>
      imagesIn(of).flatMap((image) =>
        image.architecture === architecture ? image.layers.map((path) => path.slice(-64)) : [],
      );
    expect(layersOf(layout)).to.deep.equal(layersOf(join(folder, 'layout')));
  });
});
