// The action annotation: what a person asks of the operator without touching Git. It parses the
// text and judges nothing about the object it stands on.

import { ACTION_ANNOTATION } from './names.ts';

/** Each verb with what it does, for the documentation. */
export const ACTIONS = {
  rollback:
    'Roll the canary back now: traffic to stable, the revision rejected. Refused while Stable.',
  retry: 'Clear the verdict on a rejected revision and start a new attempt at it.',
} as const;

export type ActionVerb = keyof typeof ACTIONS;

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

const FORM = /^(rollback|retry)\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})(?:\/([a-z0-9]{10}))?$/;

/** The action that an object's annotations ask for; `<verb>/<id>` or `<verb>/<id>/<revision>`. */
export function parseAction(
  annotations: Readonly<Record<string, string>> | undefined,
): ParsedAction {
  const text = annotations?.[ACTION_ANNOTATION];
  if (text === undefined || text === '') return { kind: 'none' };
  const [, verb, id, revision] = FORM.exec(text) ?? [];
  if ((verb !== 'rollback' && verb !== 'retry') || id === undefined) {
    return { kind: 'malformed', text };
  }
  return { kind: 'action', action: { verb, id, revision: revision ?? null } };
}
