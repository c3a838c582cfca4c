// The SBOM: what npm knows, Node, and the Debian packages, the same each time.
import { expect } from 'chai';
import * as z from 'zod';
import { sbomOf } from '../../scripts/image/sbom.ts';

const documentSchema = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  serialNumber: z.string(),
  metadata: z.record(z.string(), z.unknown()),
  components: z.array(
    z.looseObject({ 'bom-ref': z.string(), name: z.string(), purl: z.string().optional() }),
  ),
});
type Document = z.infer<typeof documentSchema>;
const libc = {
  name: 'libc6',
  version: '2.36-9+deb12u14',
  architecture: 'arm64',
  sha256: 'a'.repeat(64),
  control: '',
  folder: '',
};
const system = {
  files: [],
  nodeVersion: '24.21.0',
  packages: [libc],
  distribution: { id: 'debian', version: '12' },
};

describe('the SBOM of an image', () => {
  const parse = (text: string): Document => documentSchema.parse(JSON.parse(text));
  let text = '';
  before(() => {
    text = sbomOf([system, system]);
  });

  it('lists npm packages, Node and the Debian packages, each once', () => {
    const references = parse(text).components.map((component) => component['bom-ref']);
    expect(references).to.include.members([
      'zod@4.6.7',
      'pkg:generic/node@24.21.0',
      'pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=arm64&distro=debian-12',
    ]);
    expect(new Set(references).size).to.equal(references.length);
  });

  it('lists nothing that only development needs', () => {
    expect(parse(text).components.map(({ name }) => name)).to.not.include('mocha');
  });

  it('is the same for the same image, and has a number of its own', () => {
    const { metadata, serialNumber } = parse(text);
    expect(sbomOf([system])).to.equal(text);
    expect(metadata).to.not.have.property('timestamp');
    expect(serialNumber).to.match(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab]/);
    const other = { ...system, packages: [{ ...libc, version: '2.36-9+deb12u15' }] };
    expect(parse(sbomOf([other])).serialNumber).to.not.equal(serialNumber);
  });
});
