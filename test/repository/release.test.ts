// What the workflows, the Dockerfile and the scripts of a release name by version is the same in
// all of them, and stands in the lock files.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

const root = join(import.meta.dirname, '../..');
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const workflows = globSync('.github/workflows/*.yaml', { cwd: root }).toSorted();

/** All that the first group of a pattern finds in files, each once. */
function namedIn(paths: readonly string[], pattern: RegExp): readonly string[] {
  const found = paths.flatMap((path) => [...textOf(path).matchAll(pattern)]);
  return [...new Set(found.map(([, name = '']) => name))].toSorted();
}

describe('a release', () => {
  it('is made with the pinned Node alone', () => {
    expect(namedIn([...workflows, 'Dockerfile'], /node:([\d.]+)-bookworm/g)).to.deep.equal([
      process.versions.node,
    ]);
  });

  it('is made with the Go that the newest of the tools asks for', () => {
    const asked = namedIn(globSync('test/cluster/tools/*/go.mod', { cwd: root }), /^go (1\.\d+)/gm);
    expect(namedIn(workflows, /go-version: '(.*)'/g)).to.deep.equal(asked.slice(-1));
  });

  it('installs the programs that `make push` and `make package` ask for', () => {
    const program = /(\S+\/cmd\/(?:crane|helm)@v[\d.]+)/g;
    expect(namedIn(workflows, program)).to.have.length(2);
    expect(namedIn(['scripts/publish'], program)).to.deep.equal(namedIn(workflows, program));
  });

  it('uses no action but two of the forge', () => {
    const used = /uses: ((?!\.\/).*)@/g;
    expect(namedIn(workflows, used)).to.deep.equal(['actions/checkout', 'actions/setup-go']);
  });
});
