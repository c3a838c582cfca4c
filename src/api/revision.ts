// The text a revision's hash is taken over and the name made from that hash. It does not hash:
// SHA-256 is the caller's. Frozen vectors (test/api/revision.test.ts) keep an upgrade from starting
// a rollout.

/** The letters and digits that Kubernetes uses for generated names: no vowels, no 0, 1 or 3. */
export const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const NAME_LENGTH = 10;

/**
 * Canonical JSON of a pod template: keys sorted by code unit at every depth, no white space;
 * properties that are null or undefined and metadata.creationTimestamp left out. Empty objects and
 * lists stay, and so does the order of lists, since both can carry meaning.
 */
export function canonicalTemplate(template: unknown): string {
  return canonical(withoutCreationTimestamp(template)) ?? 'null';
}

/**
 * The ten characters that name a revision: the first 64 bits of the SHA-256 as an unsigned
 * big-endian integer, its ten lowest base-27 digits, most significant first, in NAME_ALPHABET.
 * @param hashHex SHA-256 of the canonical template, 64 hexadecimal digits
 */
export function revisionName(hashHex: string): string {
  if (!/^[0-9a-f]{64}$/.test(hashHex)) {
    throw new TypeError(`not a SHA-256 in lower-case hexadecimal digits: ${hashHex}`);
  }
  const base = BigInt(NAME_ALPHABET.length);
  let rest = BigInt(`0x${hashHex.slice(0, 16)}`);
  let name = '';
  while (name.length < NAME_LENGTH) {
    name = NAME_ALPHABET.charAt(Number(rest % base)) + name;
    rest /= base;
  }
  return name;
}

function withoutCreationTimestamp(template: unknown): unknown {
  if (!isRecord(template) || !isRecord(template['metadata'])) return template;
  const { creationTimestamp: _, ...metadata } = template['metadata'];
  return { ...template, metadata };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON of a value with sorted keys; undefined for what is left out of an object. */
function canonical(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) {
    // A list keeps the place of a null, as JSON does: leaving it out would move its neighbours.
    return `[${value.map((item) => canonical(item) ?? 'null').join(',')}]`;
  }
  if (!isRecord(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .flatMap((key) => {
      const member = canonical(value[key]);
      return member === undefined ? [] : [`${JSON.stringify(key)}:${member}`];
    });
  return `{${members.join(',')}}`;
}
