// The reflector's transitions as a pure function, under random inputs.
import { expect } from 'chai';
import fc from 'fast-check';
import { KubeError } from '../../src/kube/errors.ts';
import {
  initialState,
  nextState,
  type ReflectorInput,
  type ReflectorState,
} from '../../src/kube/reflectorState.ts';

const error = fc
  .constantFrom(0, 401, 403, 404, 410, 429, 500, 503)
  .map((status) => new KubeError(`status ${status}`, { kind: 'retryable', status, reason: 'Any' }));
const random = fc.record({
  error,
  fails: fc.boolean(),
  useful: fc.boolean(),
  more: fc.boolean(),
});

function inputFor(
  state: ReflectorState,
  {
    error: cause,
    fails,
    useful,
    more,
  }: { error: KubeError; fails: boolean; useful: boolean; more: boolean },
): ReflectorInput {
  switch (state.type) {
    case 'listing':
      if (fails) return { type: 'listFailed', error: cause };
      return { type: 'paged', continueToken: more ? 'token' : undefined, resourceVersion: '7' };
    case 'watching':
      return {
        type: 'watchEnded',
        resourceVersion: '8',
        useful,
        received: useful,
        error: fails ? cause : undefined,
      };
    case 'waiting':
      return { type: 'waited' };
    case 'stopped':
      return { type: 'stopped' };
  }
}

describe('reflector state', () => {
  it('goes on after any result, pauses before every retry, and lists after 410', () => {
    fc.assert(
      fc.property(fc.array(random, { maxLength: 50 }), (results) => {
        let state: ReflectorState = initialState;
        for (const result of results) {
          const input = inputFor(state, result);
          const following = nextState(state, input);
          expect(following.type).to.not.equal('stopped');
          const failed =
            input.type === 'listFailed' ||
            (input.type === 'watchEnded' && (input.error !== undefined || !input.useful));
          expect(following.type === 'waiting').to.equal(failed);
          if (following.type === 'waiting') {
            expect(following.failures).to.be.at.least(1);
            const expired = input.type === 'watchEnded' && input.error?.status === 410;
            if (expired || input.type === 'listFailed')
              expect(following.next.type).to.equal('list');
          }
          state = following;
        }
        expect(nextState(state, { type: 'stopped' })).to.deep.equal({ type: 'stopped' });
      }),
    );
  });

  it('refuses an input that cannot belong to the state', () => {
    expect(() => nextState(initialState, { type: 'waited' })).to.throw(
      "a reflector that is listing can't have waited",
    );
  });
});
