// Tests of the action annotation's form.

import { expect } from 'chai';
import { parseAction } from '../../src/api/actions.ts';

const parse = (text: string) => parseAction({ 'x0tta.io/action': text });

describe('parseAction', () => {
  it('finds none where nothing is asked for', () => {
    expect(parseAction(undefined)).to.deep.equal({ kind: 'none' });
    expect(parseAction({ other: 'retry/1' })).to.deep.equal({ kind: 'none' });
    expect(parse('')).to.deep.equal({ kind: 'none' });
  });

  it('reads verb, id and revision', () => {
    expect(parse('rollback/2026-11-24.1')).to.deep.equal({
      kind: 'action',
      action: { verb: 'rollback', id: '2026-11-24.1', revision: null },
    });
    expect(parse('retry/a/bcdfghjklm')).to.deep.equal({
      kind: 'action',
      action: { verb: 'retry', id: 'a', revision: 'bcdfghjklm' },
    });
  });

  for (const text of [
    'rollback',
    'rollback/',
    'explode/1',
    'retry/1/',
    'retry/1/short',
    'retry/a b',
    `retry/${'a'.repeat(65)}`,
  ]) {
    it(`gives back "${text.slice(0, 20)}" as malformed`, () => {
      expect(parse(text)).to.deep.equal({ kind: 'malformed', text });
    });
  }
});
