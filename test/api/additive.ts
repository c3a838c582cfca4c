// What a later CRD takes back of what an earlier one gave: an object that the earlier one took must
// pass the later one too, and keep its fields. Rules in CEL are not compared, since one about a new
// field takes nothing back; nor are defaults and texts.
import type { StructuralSchema } from '../../src/api/crd.ts';
import { childOf, missingFields } from '../../src/kube/crdSchema.ts';

/** A CustomResourceDefinition, as far as it is compared. */
export interface Definition {
  readonly spec: {
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly schema: { readonly openAPIV3Schema: StructuralSchema };
    }[];
  };
}

/** Keywords that say what a value is; no other word for one is known to mean as much. */
const kinds = [
  'type',
  'format',
  'pattern',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
] as const;
/** The bound that one without the keyword has. */
const upper = {
  maximum: Infinity,
  maxLength: Infinity,
  maxItems: Infinity,
  maxProperties: Infinity,
} as const;
const lower = { minimum: -Infinity, minLength: 0, minItems: 0, minProperties: 0 } as const;
const keepsAll = 'x-kubernetes-preserve-unknown-fields';

/**
 * All that `later` takes back of `earlier`, in no order that matters: 'v1 is not served',
 * 'v1.spec.replicas: maximum 5' with what `later` has, and 'v1.spec.a' or 'v1.spec.b: Value' for a
 * field or a value of an enum that is gone. Empty when it only adds.
 */
export function takenBack(earlier: Definition, later: Definition): readonly string[] {
  const served = earlier.spec.versions.filter((version) => version.served);
  return served.flatMap(({ name, schema }) => {
    const same = later.spec.versions.find((version) => version.name === name && version.served);
    if (same === undefined) return [`${name} is not served`];
    const [before, after] = [schema.openAPIV3Schema, same.schema.openAPIV3Schema];
    return [...missingFields(name, before, after), ...narrowed(name, before, after)];
  });
}

/** Of what both have. */
function narrowed(
  path: string,
  before: StructuralSchema,
  after: StructuralSchema | undefined,
): readonly string[] {
  if (after === undefined) return [];
  return [
    ...kinds
      .filter((keyword) => textOf(before, keyword) !== textOf(after, keyword))
      .map((keyword) => `${path}: ${keyword} ${textOf(after, keyword)}`),
    ...Object.entries(upper)
      .filter(([keyword, none]) => boundOf(after, keyword, none) < boundOf(before, keyword, none))
      .map(([keyword]) => `${path}: ${keyword} ${String(after[keyword])}`),
    ...Object.entries(lower)
      .filter(([keyword, none]) => boundOf(after, keyword, none) > boundOf(before, keyword, none))
      .map(([keyword]) => `${path}: ${keyword} ${String(after[keyword])}`),
    ...(after.required ?? [])
      .filter((name) => before.required?.includes(name) !== true)
      .map((name) => `${path}: ${name} required`),
    ...(before['enum'] === undefined && after['enum'] !== undefined ? [`${path}: an enum`] : []),
    ...(before[keepsAll] === true && after[keepsAll] !== true ? [`${path}: fields dropped`] : []),
    ...Object.entries(before.properties ?? {}).flatMap(([name, child]) =>
      narrowed(`${path}.${name}`, child, childOf(after, name) as StructuralSchema | undefined),
    ),
    ...(before.items === undefined ? [] : narrowed(`${path}[]`, before.items, after.items)),
    ...(before.additionalProperties === undefined
      ? []
      : narrowed(`${path}.*`, before.additionalProperties, after.additionalProperties)),
  ];
}

function boundOf(schema: StructuralSchema, keyword: string, none: number): number {
  const bound = schema[keyword];
  return typeof bound === 'number' ? bound : none;
}

function textOf(schema: StructuralSchema, keyword: string): string {
  const value = schema[keyword];
  if (value === undefined) return 'gone';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
