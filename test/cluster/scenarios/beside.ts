// Tests that wait most of their time, and so wait beside one another: all of a file's begin when
// the first of them is due, whichever are asked for, and each is told of by itself.

/**
 * Defines a test that runs beside the others defined by the same function; `run` gives it what it
 * works on, for itself alone.
 */
export type Beside<T> = (title: string, test: (of: T) => Promise<void>) => void;

export function besideOneAnother<T>(
  run: (test: (of: T) => Promise<void>) => Promise<void>,
): Beside<T> {
  const tests = new Map<string, (of: T) => Promise<void>>();
  const ends = new Map<string, Promise<PromiseSettledResult<void>>>();
  return (title, test) => {
    if (tests.has(title)) throw new Error(`two tests are called ${title}`);
    tests.set(title, test);
    it(title, async () => {
      if (ends.size === 0) {
        // Settled, so that one that fails is told of by its own test and by nothing else.
        for (const [each, of] of tests) {
          ends.set(
            each,
            Promise.allSettled([run(of)]).then(([end]) => end),
          );
        }
      }
      const end = await ends.get(title);
      if (end?.status === 'rejected') throw end.reason;
    });
  };
}
