// What a reflector does next, as a pure function: list page by page, watch, wait, and again, until
// it is stopped. No input but `stopped` ends it. It does no I/O and measures no time.
import { isExpired, type KubeError } from './errors.ts';

/** Where the next look begins: a whole new list, or the watch from this resourceVersion. */
export type Resume =
  { readonly type: 'list' } | { readonly type: 'watch'; readonly resourceVersion: string };

/** `failures` counts tries that brought nothing, without a break; it sets the back-off. */
export type ReflectorState =
  | {
      readonly type: 'listing';
      /** Missing for the first page, which is a consistent read: no resourceVersion is sent. */
      readonly continueToken: string | undefined;
      readonly failures: number;
    }
  | { readonly type: 'watching'; readonly resourceVersion: string; readonly failures: number }
  | {
      readonly type: 'waiting';
      readonly next: Resume;
      readonly failures: number;
      /** Why, for the log; missing when a server simply was done with a watch at once. */
      readonly error: KubeError | undefined;
    }
  | { readonly type: 'stopped' };

export type ReflectorInput =
  | {
      readonly type: 'paged';
      readonly continueToken: string | undefined;
      readonly resourceVersion: string;
    }
  | { readonly type: 'listFailed'; readonly error: KubeError }
  | {
      readonly type: 'watchEnded';
      /** The version of the last event or bookmark, or the one the watch began with. */
      readonly resourceVersion: string;
      /** Events came, or the watch stood for long enough to show that watching works. */
      readonly useful: boolean;
      /** Anything came, be it a bookmark. */
      readonly received: boolean;
      /** Missing when the server closed the watch in good order. */
      readonly error: KubeError | undefined;
    }
  | { readonly type: 'waited' }
  /** A new list is wanted now. */
  | { readonly type: 'relist' }
  | { readonly type: 'stopped' };

/** After so many useless watches on end the fault may be in the version they begin with. */
const USELESS_WATCHES_BEFORE_LIST = 5;

export const initialState: ReflectorState = {
  type: 'listing',
  continueToken: undefined,
  failures: 0,
};

/** Throws where the input can't belong to the state. */
export function nextState(state: ReflectorState, input: ReflectorInput): ReflectorState {
  if (state.type === 'stopped' || input.type === 'stopped') return { type: 'stopped' };
  if (input.type === 'relist') {
    return { type: 'listing', continueToken: undefined, failures: state.failures };
  }
  if (state.type === 'listing' && input.type === 'paged') {
    const { continueToken, resourceVersion } = input;
    if (continueToken !== undefined) return { ...state, continueToken };
    return { type: 'watching', resourceVersion, failures: state.failures };
  }
  if (state.type === 'listing' && input.type === 'listFailed') {
    const { error } = input;
    return { type: 'waiting', next: { type: 'list' }, failures: state.failures + 1, error };
  }
  if (state.type === 'watching' && input.type === 'watchEnded') {
    return afterWatch(state.failures, input);
  }
  if (state.type === 'waiting' && input.type === 'waited') {
    const { next, failures } = state;
    if (next.type === 'list') return { type: 'listing', continueToken: undefined, failures };
    return { type: 'watching', resourceVersion: next.resourceVersion, failures };
  }
  throw new Error(`a reflector that is ${state.type} can't have ${input.type}`);
}

function afterWatch(
  failuresBefore: number,
  input: Extract<ReflectorInput, { readonly type: 'watchEnded' }>,
): ReflectorState {
  const { resourceVersion, useful, received, error } = input;
  if (error === undefined && useful) return { type: 'watching', resourceVersion, failures: 0 };
  const failures = useful ? 1 : failuresBefore + 1;
  // A watch from a version that the server has not reached (its etcd was restored from a backup) is
  // no error: it stays silent, without even the bookmarks that come once a minute.
  const silent = error?.reason === 'Timeout' && !received;
  const versionInDoubt = silent || failures % USELESS_WATCHES_BEFORE_LIST === 0;
  const next: Resume =
    isExpired(error) || versionInDoubt ? { type: 'list' } : { type: 'watch', resourceVersion };
  return { type: 'waiting', next, failures, error };
}
