// The OCI layout: what refers to what, by which digest, and that the same content has the same one.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import * as z from 'zod';
import { imageConfig } from '../../scripts/image/config.ts';
import { packLayer, writeLayout } from '../../scripts/image/layout.ts';
import { platforms } from '../../scripts/image/platforms.ts';
import { tarOf } from '../../scripts/image/tar.ts';

const descriptor = z.object({ mediaType: z.string(), digest: z.string(), size: z.number() });
const indexSchema = z.object({
  manifests: z.array(
    descriptor.extend({
      platform: z.object({ architecture: z.string(), os: z.string() }).optional(),
      annotations: z.record(z.string(), z.string()).optional(),
    }),
  ),
});
const manifestSchema = z.object({ config: descriptor, layers: z.array(descriptor) });
const configSchema = z.object({
  architecture: z.string(),
  config: z.record(z.string(), z.unknown()),
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
});
const files = [{ path: 'etc/passwd', content: Buffer.from('root'), mode: 0o644 }];
const sha256 = (content: Buffer): string =>
  `sha256:${createHash('sha256').update(content).digest('hex')}`;

describe('the layout of an image', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'x0tta-layout-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const write = async (name: string): Promise<string> => {
    const layers = [await packLayer('system', files)];
    const images = platforms.map((platform) => ({ platform, layers }));
    return writeLayout(join(folder, name), '1.2.3', images, imageConfig());
  };
  const blob = (digest: string): Buffer =>
    readFileSync(join(folder, 'one/blobs', digest.replace(':', '/')));
  const json = (content: Buffer): unknown => JSON.parse(content.toString());

  it('leads from its index to an image of each platform', async () => {
    const digest = await write('one');
    const [entry] = indexSchema.parse(json(readFileSync(join(folder, 'one/index.json')))).manifests;
    expect(entry?.digest).to.equal(digest);
    expect(entry?.annotations).to.deep.equal({ 'org.opencontainers.image.ref.name': '1.2.3' });
    const { manifests } = indexSchema.parse(json(blob(digest)));
    expect(manifests.map(({ platform }) => platform)).to.deep.equal([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ]);
    for (const { digest: of, platform } of manifests) {
      const manifest = manifestSchema.parse(json(blob(of)));
      const config = configSchema.parse(json(blob(manifest.config.digest)));
      expect(config.architecture).to.equal(platform?.architecture);
      const tars = manifest.layers.map((layer) => gunzipSync(blob(layer.digest)));
      expect(tars.map((tar) => tar.equals(tarOf(files)))).to.deep.equal([true]);
      expect(config.rootfs.diff_ids).to.deep.equal(tars.map(sha256));
    }
  });

  it('keeps each blob under its digest', async () => {
    await write('one');
    const names = readdirSync(join(folder, 'one/blobs/sha256'));
    expect(names.map((name) => sha256(blob(`sha256:${name}`)))).to.deep.equal(
      names.map((name) => `sha256:${name}`),
    );
  });

  it('is the same for the same content', async () => {
    expect(await write('one')).to.equal(await write('two'));
  });

  it('says whom to run as, what, and what it is', async () => {
    const { manifests } = indexSchema.parse(json(blob(await write('one'))));
    const manifest = manifestSchema.parse(json(blob(manifests[0]?.digest ?? '')));
    const { config } = configSchema.parse(json(blob(manifest.config.digest)));
    expect(config).to.include({ User: '65532:65532' });
    expect(config['Entrypoint']).to.include('/app/operator.mjs');
    expect(config['Labels']).to.have.all.keys(
      'org.opencontainers.image.licenses',
      'org.opencontainers.image.title',
      'org.opencontainers.image.version',
    );
  });
});
