// Who has which fields of a route, as the API server notes it for updates and patches: what a
// manager changes is taken from all others, and entries without fields go. It models no applies.
import type { HttpRoute } from '../../src/traffic/httpRoute.ts';

type Entry = NonNullable<HttpRoute['metadata']['managedFields']>[number];

/** An entry by the names of its fields: 'rules', 'parentRefs' for the rest, or an annotation's. */
interface Owned {
  readonly manager: string;
  readonly time: string;
  readonly fields: readonly string[];
}

/**
 * The managedFields of `after`, which `manager` writes at `time`. Who writes them, too, may leave
 * entries out; an empty list counts as none that was sent.
 */
export function managedFieldsOf(
  before: HttpRoute | undefined,
  after: HttpRoute,
  manager: string,
  time: string,
): readonly Entry[] {
  const sent = after.metadata.managedFields ?? [];
  const known = (sent.length > 0 ? sent : (before?.metadata.managedFields ?? [])).map(ownedBy);
  const [was, is] = [before === undefined ? {} : valuesOf(before), valuesOf(after)];
  const changed = Object.keys(is).filter((name) => is[name] !== was[name]);
  const others = known.map((entry) =>
    entry.manager === manager ? entry : without(entry, (name) => changed.includes(name)),
  );
  const own = others.find((entry) => entry.manager === manager);
  const fields = [...new Set([...(own?.fields ?? []), ...changed])];
  const mine = changed.length === 0 && own !== undefined ? own : { manager, time, fields };
  return [...others.filter((entry) => entry !== own), mine]
    .map((entry) => without(entry, (name) => !(name in is)))
    .filter((entry) => entry.fields.length > 0)
    .toSorted((a, b) => a.time.localeCompare(b.time))
    .map(entryOf);
}

function without(entry: Owned, goes: (field: string) => boolean): Owned {
  return { ...entry, fields: entry.fields.filter((name) => !goes(name)) };
}

function valuesOf({ metadata, spec }: HttpRoute): Readonly<Record<string, string>> {
  const { rules = [], ...rest } = spec;
  const texts = { rules: JSON.stringify(rules), parentRefs: JSON.stringify(rest) };
  return { ...metadata.annotations, ...texts };
}

interface Fields {
  readonly 'f:spec'?: object;
  readonly 'f:metadata'?: { readonly 'f:annotations'?: object };
}

function ownedBy({ manager = '', time = '', fieldsV1 = {} }: Entry): Owned {
  const { 'f:spec': ofSpec = {}, 'f:metadata': metadata }: Fields = fieldsV1;
  const keys = [...Object.keys(ofSpec), ...Object.keys(metadata?.['f:annotations'] ?? {})];
  return { manager, time, fields: keys.map((key) => key.slice('f:'.length)) };
}

function entryOf({ manager, time, fields }: Owned): Entry {
  const named = (names: readonly string[]): object =>
    Object.fromEntries(names.map((name) => [`f:${name}`, {}]));
  const isOfSpec = (name: string): boolean => name === 'rules' || name === 'parentRefs';
  const ofSpec = fields.filter(isOfSpec);
  const annotations = fields.filter((name) => !isOfSpec(name));
  const fieldsV1: Fields = {
    ...(ofSpec.length === 0 ? {} : { 'f:spec': named(ofSpec) }),
    ...(annotations.length === 0 ? {} : { 'f:metadata': { 'f:annotations': named(annotations) } }),
  };
  return { manager, time, fieldsV1 };
}
