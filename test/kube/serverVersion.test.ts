// The API server's version as servers tell it, and which ones are too old.
import { expect } from 'chai';
import { errorFromStatus } from '../../src/kube/errors.ts';
import { isTooOld, parseServerVersion, readServerVersion } from '../../src/kube/serverVersion.ts';

describe('the version of the API server', () => {
  for (const [answer, text, old] of [
    [{ major: '1', minor: '37', gitVersion: 'v1.37.2' }, 'v1.37.2', false],
    [{ major: '1', minor: '30', gitVersion: 'v1.30.0' }, 'v1.30.0', false],
    [{ major: '1', minor: '29', gitVersion: 'v1.29.14' }, 'v1.29.14', true],
    [{ major: '1', minor: '9', gitVersion: 'v1.9.0' }, 'v1.9.0', true],
    [{ major: '2', minor: '0', gitVersion: 'v2.0.0' }, 'v2.0.0', false],
    [{ major: '1', minor: '30+', gitVersion: 'v1.30.4-eks-a1b2' }, 'v1.30.4-eks-a1b2', false],
    [{ major: '1', minor: '29+', gitVersion: 'v1.29.4-gke.1' }, 'v1.29.4-gke.1', true],
    [{ major: '1', minor: '29+' }, '1.29+', true],
    [{ major: '1', minor: '31+' }, '1.31+', false],
    [{ gitVersion: 'devel' }, 'devel', false],
    [{}, 'unknown', false],
    [null, 'unknown', false],
    ['v1.29', 'unknown', false],
  ] as const) {
    it(`of ${JSON.stringify(answer)} is ${text}, ${old ? 'too old' : 'taken'}`, () => {
      const version = parseServerVersion(answer);
      expect(version.text).to.equal(text);
      expect(isTooOld(version)).to.equal(old);
    });
  }

  it('is asked for, and unknown where the server does not tell', async () => {
    const clientOf = (answer: () => unknown) => ({
      request: async <T>(request: { readonly path: string }) => {
        expect(request.path).to.equal('/version');
        return answer() as T;
      },
    });
    const refuse = (status: number) => (): never => {
      throw errorFromStatus(status, {}, false);
    };
    const told = await readServerVersion(clientOf(() => ({ gitVersion: 'v1.37.2' })));
    expect(told.numbers).to.deep.equal([1, 37]);
    for (const status of [403, 404]) {
      expect(await readServerVersion(clientOf(refuse(status)))).to.include({ text: 'unknown' });
    }
    for (const status of [401, 503]) {
      const error = await readServerVersion(clientOf(refuse(status))).catch((e: unknown) => e);
      expect(error, String(status)).to.include({ status });
    }
  });
});
