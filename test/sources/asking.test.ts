// The questions of one look: each once, and smaller where they are too much for the server.
import { expect } from 'chai';
import { askAll } from '../../src/sources/asking.ts';
import type { Question } from '../../src/sources/asking.ts';
import { absence } from '../../src/sources/port.ts';
import type { MetricAnswer } from '../../src/sources/port.ts';
import { PROFILES } from '../../src/sources/profiles.ts';
import { Revisions } from '../../src/sources/rowTable.ts';

describe('a question', () => {
  const { http } = PROFILES;
  const dialect = { profile: http, labels: http.labels, matchers: {}, scrapeIntervalMs: 1_000 };
  const revisions = new Revisions([], dialect);
  let asked: string[];

  beforeEach(() => {
    asked = [];
  });

  const question = (
    namespaces: readonly string[],
    answerTo: (namespaces: readonly string[]) => MetricAnswer,
    canBeHalved = true,
  ): Question => ({
    namespaces,
    canBeHalved,
    wanted: { revisions, isUsers: false, isShared: false, isWide: false },
    ask: async (some) => {
      asked.push(some.join());
      return answerTo(some);
    },
  });
  const fine: MetricAnswer = { ok: true, rowCount: 0 };
  const failed = (reason: 'TooManySeries' | 'TimedOut' | 'ClientError'): MetricAnswer => ({
    ok: false,
    absence: absence('untrusted', reason, reason),
  });
  const outcome = async (one: Question): Promise<Record<string, string>> => {
    const answers = (await askAll(new Map([['q', one]]))).get('q');
    return Object.fromEntries(
      [...(answers ?? [])].map(([namespace, { answer }]) => [
        namespace,
        answer.ok ? 'ok' : answer.absence.reason,
      ]),
    );
  };

  it('is asked once where that is enough', async () => {
    expect(await outcome(question(['a', 'b'], () => fine))).to.deep.equal({ a: 'ok', b: 'ok' });
    expect(asked).to.deep.equal(['a,b']);
  });

  it('is halved until only the namespace that is too much goes without', async () => {
    const answer = (some: readonly string[]): MetricAnswer =>
      some.includes('c') ? failed('TooManySeries') : fine;
    const found = await outcome(question(['a', 'b', 'c', 'd', 'e'], answer));
    expect(found).to.deep.equal({ a: 'ok', b: 'ok', c: 'TooManySeries', d: 'ok', e: 'ok' });
    expect(asked).to.deep.equal(['a,b,c,d,e', 'a,b,c', 'a,b', 'c', 'd,e']);
  });

  it('is halved where the server can’t carry the whole out, in whatever words', async () => {
    const refused = failed('ClientError');
    const limit: MetricAnswer = { ...refused, refusal: 'execution' } as MetricAnswer;
    await outcome(question(['a', 'b'], (some) => (some.length > 1 ? limit : fine)));
    expect(asked).to.deep.equal(['a,b', 'a', 'b']);
  });

  it('is not halved for what no smaller one would mend', async () => {
    await outcome(question(['a', 'b'], () => failed('ClientError')));
    await outcome(question(['a', 'b'], () => failed('TooManySeries'), false));
    expect(asked).to.deep.equal(['a,b', 'a,b']);
  });

  it('is given up when halves are answered no faster than the whole', async () => {
    const found = await outcome(question(['a', 'b', 'c', 'd'], () => failed('TimedOut')));
    expect(found).to.deep.equal({ a: 'TimedOut', b: 'TimedOut', c: 'TimedOut', d: 'TimedOut' });
    expect(asked).to.deep.equal(['a,b,c,d', 'a,b', 'a', 'b']);
  });

  it('costs the one namespace that takes too long its own answer alone', async () => {
    for (const slow of ['a', 'b', 'c', 'd', 'e']) {
      const answer = (some: readonly string[]): MetricAnswer =>
        some.includes(slow) ? failed('TimedOut') : fine;
      const found = await outcome(question(['a', 'b', 'c', 'd', 'e'], answer));
      const rest = { a: 'ok', b: 'ok', c: 'ok', d: 'ok', e: 'ok' };
      expect(found).to.deep.equal({ ...rest, [slow]: 'TimedOut' });
    }
  });
});
