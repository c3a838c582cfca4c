// One look at many subjects: fewer together where the server can't answer, and nobody's sound
// answer lost or late for another one's.
import { expect } from 'chai';
import { lookHalving } from '../../src/sources/halving.ts';
import type { Seen } from '../../src/sources/look.ts';
import type { Subject } from '../../src/sources/questions.ts';
import { evidenceTarget } from './settings.ts';

type Outcome = ReturnType<Seen['tooMuchOn']>;

describe('a look at many', () => {
  let asked: string[];
  let taken: Map<string, Outcome>;
  /** How many looks there were when a subject was known. */
  let after: Map<string, number>;

  beforeEach(() => {
    asked = [];
    taken = new Map();
    after = new Map();
  });

  const nameOf = ({ target }: Subject): string => target.canaryReplicaSet;
  /** Subjects are named as namespace/name. */
  const look = (names: readonly string[], outcome: (name: string, of: string[]) => Outcome) => {
    const subjects = names.map((name): Subject => {
      const [namespace = ''] = name.split('/');
      const target = { ...evidenceTarget, key: name, namespace, canaryReplicaSet: name };
      return { target, signals: [], pods: new Set(), absentSinceMs: {} };
    });
    return lookHalving(subjects, {
      look: async (some) => {
        const together = some.map(nameOf);
        asked.push(together.join());
        return {
          atMs: 0,
          evidenceOn: () => ({ observedAtMs: 0, signals: {} }),
          tooMuchOn: (nth) => outcome(together[nth] ?? '', together),
          release: () => undefined,
        };
      },
      take: (subject, by, nth) => {
        expect(taken.has(nameOf(subject)), 'each is taken once').to.equal(false);
        taken.set(nameOf(subject), by.tooMuchOn(nth, subject));
        after.set(nameOf(subject), asked.length);
      },
    });
  };
  const many = (namespace: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${namespace}/${i}`);

  it('is one where the server answers', async () => {
    await look(many('a', 5), () => null);
    expect(asked).to.have.lengthOf(1);
    expect(taken.size).to.equal(5);
  });

  it('keeps sound answers, and does not ask again about one namespace alone', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `n${i}/shop`);
    await look(names, (name) => (name === 'n7/shop' ? 'time' : null));
    expect(asked).to.have.lengthOf(1);
    expect([...taken].filter(([, outcome]) => outcome !== null)).to.deep.equal([
      ['n7/shop', 'time'],
    ]);
    expect(taken.size).to.equal(50);
  });

  it('halves those that share a namespace, and nobody else waits for them', async () => {
    const names = [...many('a', 4), ...many('b', 4)];
    const slow = (_: string, of: string[]): boolean => of.includes('a/0');
    await look(names, (name, of) => (name.startsWith('a/') && slow(name, of) ? 'time' : null));
    expect(asked.slice(1)).to.deep.equal(['a/0,a/1', 'a/0', 'a/1', 'a/2,a/3']);
    expect([...taken].filter(([, outcome]) => outcome !== null)).to.deep.equal([['a/0', 'time']]);
    expect(after.get('b/0')).to.equal(1);
  });

  it('costs the one that takes too long its own answer alone, whichever it is', async () => {
    for (const count of [2, 3, 5, 6, 7, 25]) {
      for (const slow of many('a', count)) {
        taken.clear();
        await look(many('a', count), (_, of) => (of.includes(slow) ? 'time' : null));
        expect([...taken].filter(([, outcome]) => outcome !== null)).to.deep.equal([
          [slow, 'time'],
        ]);
      }
    }
  });

  it('is given up when halves are answered no faster than the whole', async () => {
    await look(many('a', 16), () => 'time');
    expect(asked.map((each) => each.split(',').length)).to.deep.equal([16, 8, 4, 2, 1, 1]);
    expect(taken.size).to.equal(16);
    asked = [];
    taken.clear();
    await look([...many('a', 2), ...many('b', 2)], () => 'time');
    expect(asked).to.deep.equal(['a/0,a/1,b/0,b/1', 'a/0', 'a/1']);
  });

  it('goes on to the end for what is too large', async () => {
    await look([...many('a', 4), ...many('b', 2)], (_, of) => (of.length > 1 ? 'size' : null));
    expect([...taken.values()]).to.deep.equal(Array.from({ length: 6 }, () => null));
  });
});
