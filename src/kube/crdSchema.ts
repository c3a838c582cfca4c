// Compares the schema that the API server serves with the one that this operator writes by: a field
// that is not served is dropped from every write, and by a value that is not served the write is
// refused. Pure; it fetches nothing.
import type { StructuralSchema } from '../api/crd.ts';

/** A node of an OpenAPI v3 document, of which nothing is known for sure. */
type Served = Readonly<Record<string, unknown>> | undefined;

/**
 * Paths of `wanted` that `served` lacks, in the order of `wanted`: 'status.incidents[].alert' for
 * a field, without those below it, and 'status.phase: Baking' for a value of an enum. A field of
 * which the server keeps everything lacks nothing.
 */
export function missingFields(
  path: string,
  wanted: StructuralSchema,
  served: unknown,
): readonly string[] {
  const node = asNode(served);
  if (node === undefined) return [path];
  if (node['x-kubernetes-preserve-unknown-fields'] === true) return [];
  return [
    ...missingValues(path, wanted['enum'], node['enum']),
    ...Object.entries(wanted.properties ?? {}).flatMap(([name, child]) => {
      return missingFields(`${path}.${name}`, child, childOf(node, name));
    }),
    ...missingBelow(`${path}[]`, wanted.items, node['items']),
    ...missingBelow(`${path}.*`, wanted.additionalProperties, node['additionalProperties']),
  ];
}

/** The schema of a kind in an OpenAPI v3 document of its group; undefined when it has none. */
export function schemaOfKind(
  document: unknown,
  gvk: { readonly group: string; readonly version: string; readonly kind: string },
): Readonly<Record<string, unknown>> | undefined {
  const schemas = asNode(asNode(asNode(document)?.['components'])?.['schemas']) ?? {};
  return Object.values(schemas)
    .map(asNode)
    .find((schema) => {
      const kinds = schema?.['x-kubernetes-group-version-kind'];
      if (!Array.isArray(kinds)) return false;
      return kinds.map(asNode).some((one) => {
        return (
          one?.['group'] === gvk.group && one['version'] === gvk.version && one['kind'] === gvk.kind
        );
      });
    });
}

/** The schema of one of its fields, which it may have for all names alike. */
export function childOf(schema: Served, name: string): unknown {
  return asNode(schema?.['properties'])?.[name] ?? schema?.['additionalProperties'];
}

function missingBelow(
  path: string,
  wanted: StructuralSchema | undefined,
  served: unknown,
): readonly string[] {
  return wanted === undefined ? [] : missingFields(path, wanted, served);
}

/** A server without an enum takes every value. */
function missingValues(path: string, wanted: unknown, served: unknown): readonly string[] {
  if (!Array.isArray(wanted) || !Array.isArray(served)) return [];
  return wanted.filter((value) => !served.includes(value)).map((value) => `${path}: ${value}`);
}

function asNode(value: unknown): Served {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return { ...value };
}
