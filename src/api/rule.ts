// What a CEL rule of the CRD is, and how a schema carries it. The rules are in rules.ts and
// signalRules.ts.

/** A JSON merge patch (RFC 7396) on a manifest that is valid as it stands. */
export type ManifestPatch = Readonly<Record<string, unknown>>;

export interface Rule {
  readonly name: string;
  /** CEL; true means accepted. */
  readonly rule: string;
  readonly message: string;
  readonly accepted: ManifestPatch;
  readonly rejected: ManifestPatch;
  /** 'update' when the patches apply to a stored object; the rule compares with its old self. */
  readonly on: 'create' | 'update';
}

/**
 * The rules as the CRD carries them, ready for a schema's metadata; nothing when there are none.
 */
export function validations(...rules: readonly Rule[]): Record<string, unknown> {
  return {
    'x-kubernetes-validations': rules.map(({ rule, message }) => ({ rule, message })),
  };
}
