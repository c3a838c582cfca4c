// The action annotation: what a person asks of the operator without touching Git. It parses the
// text and judges nothing about the object it stands on.

import { ACTION_ANNOTATION } from './names.ts';

/** Each verb with what it does, for the documentation. */
export const ACTIONS = {
  promote:
    'Skip the remaining steps: all traffic once the pods are there, then the bake. Refused for ' +
    'a rejected revision, a breaching one, and while paused.',
  rollback:
    'Roll the canary back now: traffic to stable, the revision rejected. While Stable, the ' +
    'current revision is rejected and the last one that was stable before it comes back, its ' +
    'pods first; refused when none is retained.',
  pause: 'Stop every advance until a resume; a canary in traffic is judged all the same.',
  resume: 'End a pause.',
  retry: 'Clear the verdict on a rejected revision and start a new attempt at it.',
  approve: 'Let a step that needs an approval end once its hold is over.',
} as const;

export type ActionVerb = keyof typeof ACTIONS;

export const ACTION_VERBS = Object.keys(ACTIONS) as readonly ActionVerb[];

/** What a person asks for. */
export interface Action {
  readonly verb: ActionVerb;
  /** Chosen by the person, at most 64 characters; an id is acted upon once. */
  readonly id: string;
  /** Null means the canary's revision at the moment of acknowledgement. */
  readonly revision: string | null;
}

export type ParsedAction =
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed'; readonly text: string }
  | { readonly kind: 'action'; readonly action: Action };

const FORM = /^([a-z]+)\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:\/([a-z0-9]{10}))?$/;

/** The action that an object's annotations ask for; `<verb>/<id>` or `<verb>/<id>/<revision>`. */
export function parseAction(
  annotations: Readonly<Record<string, string>> | undefined,
): ParsedAction {
  const text = annotations?.[ACTION_ANNOTATION];
  if (text === undefined || text === '') return { kind: 'none' };
  const [, word, id, revision] = FORM.exec(text) ?? [];
  const verb = ACTION_VERBS.find((name) => name === word);
  if (verb === undefined || id === undefined) return { kind: 'malformed', text };
  return { kind: 'action', action: { verb, id, revision: revision ?? null } };
}
