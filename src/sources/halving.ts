// Looks at many subjects together, and at fewer where the server can't answer about all of them.
// Namespaces are told apart within a look (asking.ts); this is about those that share one.
import { askHalves } from './asking.ts';
import type { Seen } from './look.ts';
import type { Subject } from './questions.ts';

export interface Halving<T extends Subject> {
  readonly look: (subjects: readonly T[]) => Promise<Seen>;
  /** What is known of each, once: at once where it is sound. */
  readonly take: (subject: T, by: Seen, nth: number) => void;
}

/** One look, and others at those about whom it says nothing for being too much. */
export async function lookHalving<T extends Subject>(
  subjects: readonly T[],
  how: Halving<T>,
): Promise<void> {
  await lookAt(subjects, how, new Set());
}

/** False when the server takes too long, also about another one than the first. */
async function lookAt<T extends Subject>(
  subjects: readonly T[],
  how: Halving<T>,
  known: Set<T>,
): Promise<boolean> {
  if (subjects.length === 0) return true;
  const by = await how.look(subjects);
  const tooMuch = subjects.map((subject, nth) => by.tooMuchOn(nth, subject));
  const take = (isWanted: (nth: number) => boolean): void => {
    for (const [nth, subject] of subjects.entries()) {
      if (known.has(subject) || !isWanted(nth)) continue;
      how.take(subject, by, nth);
      known.add(subject);
    }
  };
  take((nth) => tooMuch[nth] === null);
  let isInTime = subjects.length > 1 || tooMuch[0] !== 'time';
  for (const crowd of crowdsOf(subjects, (nth) => tooMuch[nth] !== null)) {
    const ask = (half: readonly T[]): Promise<boolean> => lookAt(half, how, known);
    isInTime &&= (await askHalves(crowd, ask, false)) ?? false;
  }
  take(() => true);
  return isInTime;
}

/**
 * Those of each namespace about whom it was too much, where fewer can be asked about: who is alone
 * in a namespace was asked about alone.
 */
function crowdsOf<T extends Subject>(
  subjects: readonly T[],
  isTooMuch: (nth: number) => boolean,
): readonly (readonly T[])[] {
  const byNamespace = Map.groupBy(subjects.entries(), ([, { target }]) => target.namespace);
  return [...byNamespace.values()]
    .filter((all) => all.length > 1)
    .map((all) => all.filter(([nth]) => isTooMuch(nth)).map(([, subject]) => subject))
    .filter((crowd) => crowd.length > 0);
}
