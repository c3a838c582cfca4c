// Tests of a revision's canonical text and name. The vectors are frozen: a change of one would make
// an upgrade of the operator start a rollout of every object.

import { createHash } from 'node:crypto';
import { expect } from 'chai';
import fc from 'fast-check';
import { canonicalTemplate, NAME_ALPHABET, revisionName } from '../../src/api/revision.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

interface Vector {
  readonly what: string;
  readonly template: unknown;
  readonly text: string;
  readonly name: string;
}

const VECTORS: readonly Vector[] = [
  { what: 'an empty template', template: {}, text: '{}', name: 'gctjv2q7vw' },
  {
    what: 'nulls and creationTimestamp, which the API server adds',
    template: {
      metadata: { creationTimestamp: '2026-01-01T00:00:00Z', labels: { app: 'web' } },
      spec: { nodeName: null, containers: [{ name: 'c', image: 'i:1', resources: {} }] },
    },
    text:
      '{"metadata":{"labels":{"app":"web"}},' +
      '"spec":{"containers":[{"image":"i:1","name":"c","resources":{}}]}}',
    name: 'kc4cpdnpc4',
  },
  {
    what: 'numbers, booleans, lists and text outside ASCII',
    template: {
      metadata: { annotations: { note: 'Привет "x"\n', '10': 'b', '9': 'a' } },
      spec: { hostNetwork: false, containers: [{ ports: [{ containerPort: 8080 }], args: [] }] },
    },
    text:
      '{"metadata":{"annotations":{"10":"b","9":"a","note":"Привет \\"x\\"\\n"}},' +
      '"spec":{"containers":[{"args":[],"ports":[{"containerPort":8080}]}],"hostNetwork":false}}',
    name: '7fv6jssxps',
  },
];

describe('canonicalTemplate', () => {
  for (const { what, template, text, name } of VECTORS) {
    it(`is frozen for ${what}`, () => {
      expect(canonicalTemplate(template)).to.equal(text);
      expect(revisionName(sha256(text))).to.equal(name);
    });
  }

  it('keeps a creationTimestamp that is not of the metadata', () => {
    const template = { spec: { creationTimestamp: 'x' } };
    expect(canonicalTemplate(template)).to.equal('{"spec":{"creationTimestamp":"x"}}');
  });

  it('does not depend on the order of keys, and is JSON of the same value', () => {
    const values = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }));
    fc.assert(
      fc.property(values, (spec) => {
        const reversed = Object.fromEntries(Object.entries(spec).toReversed());
        const text = canonicalTemplate({ spec });
        expect(canonicalTemplate({ spec: reversed })).to.equal(text);
        expect(canonicalTemplate(JSON.parse(text))).to.equal(text);
      }),
    );
  });

  it('differs when a value differs', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        fc.pre(a !== b);
        const [first, second] = [a, b].map((image) => canonicalTemplate({ spec: { image } }));
        expect(first).to.not.equal(second);
      }),
    );
  });
});

describe('revisionName', () => {
  it('takes the ten lowest base-27 digits of the first 64 bits', () => {
    expect(revisionName('0'.repeat(64))).to.equal('b'.repeat(10));
    expect(revisionName(`${'0'.repeat(15)}1${'f'.repeat(48)}`)).to.equal('bbbbbbbbbc');
    expect(revisionName(`${'0'.repeat(14)}1b${'0'.repeat(48)}`)).to.equal('bbbbbbbbcb');
  });

  it('is ten characters of the alphabet of generated names', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(revisionName(sha256(text))).to.match(new RegExp(`^[${NAME_ALPHABET}]{10}$`));
      }),
    );
  });

  it('refuses what is no SHA-256', () => {
    for (const text of ['', 'abc', 'F'.repeat(64), 'g'.repeat(64)]) {
      expect(() => revisionName(text)).to.throw(TypeError, 'not a SHA-256');
    }
  });
});
