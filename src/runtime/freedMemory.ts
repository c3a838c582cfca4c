// Gives memory back to the system that nothing uses any more. V8 keeps the pages that a collection
// emptied, for as long as the process lives, unless it is told that memory is short.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Cancel, Clock } from './clock.ts';

export interface FreedMemoryOptions {
  readonly clock: Clock;
  /** Bytes that the process holds. */
  readonly resident: () => number;
  /** Collects all garbage, and gives back what is empty then. */
  readonly collect: () => void;
}

const everyMs = 60_000;
/** What has grown by less is not worth the pause. */
const worthBytes = 4 * 2 ** 20;

/** Looks every minute, from the first on; the first look always collects what starting took. */
export function giveMemoryBack({ clock, resident, collect }: FreedMemoryOptions): Cancel {
  let keptBytes = 0;
  const look = (): void => {
    if (resident() > keptBytes + worthBytes) {
      collect();
      keptBytes = resident();
    }
    cancel = clock.setTimer(everyMs, look);
  };
  let cancel = clock.setTimer(everyMs, look);
  return () => cancel();
}

/** Node's own collector, for `collect`; it stops the process for about 2 ms a MiB in use. */
export function fullCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const code = `() => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })`;
  return runInNewContext(code) as () => void;
}
