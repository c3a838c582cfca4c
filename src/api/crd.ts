// The CustomResourceDefinition, made from the zod schemas: JSON Schema by zod, then a pass that
// leaves only what a structural schema may hold. It writes no file; scripts/generate.ts does.

import * as z from 'zod';
import { GROUP, KIND, PLURAL, SHORT_NAME, VERSION } from './names.ts';
import { validations } from './rule.ts';
import { nameFits } from './rules.ts';
import { specSchema } from './spec.ts';
import { statusSchema } from './status.ts';

/** A node of a structural schema, as apiextensions.k8s.io/v1 defines it. */
export interface StructuralSchema {
  readonly [keyword: string]: unknown;
  readonly description?: string;
  readonly type?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
}

/** Keywords in the order in which they are written; any other keyword is an error. */
const KEYWORDS = [
  'description',
  'type',
  'format',
  'default',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'required',
  'properties',
  'additionalProperties',
  'items',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-validations',
] as const;

const INT32_MAX = 2_147_483_647;

type Node = Readonly<Record<string, unknown>>;

/**
 * A structural schema of zod's JSON Schema.
 * @throws Error naming the path of a keyword that a structural schema cannot hold
 */
export function structural(node: Node, path: string): StructuralSchema {
  const source: Record<string, unknown> = { ...node };
  if (source['type'] === 'integer') widenInteger(source);
  // The keyword itself says what the two alternatives would.
  const isIntOrString = source['x-kubernetes-int-or-string'] === true;
  if (isIntOrString) delete source['anyOf'];
  const extra = source['additionalProperties'];
  if (isNode(extra) && Object.keys(extra).length === 0) {
    source['x-kubernetes-preserve-unknown-fields'] = true;
  }
  if (!isNode(extra) || Object.keys(extra).length === 0) delete source['additionalProperties'];
  const { properties } = source;
  if (isNode(properties) && Object.keys(properties).length === 0) delete source['properties'];
  // A map's key schema says nothing beyond "string", which is all that JSON allows.
  delete source['propertyNames'];
  const known = new Set<string>(KEYWORDS);
  for (const keyword of Object.keys(source)) {
    if (!known.has(keyword)) {
      throw new Error(`${path}: ${keyword} is not possible in a structural schema`);
    }
  }
  const result: Record<string, unknown> = {};
  for (const keyword of KEYWORDS) {
    const value = source[keyword];
    if (value !== undefined) result[keyword] = structuralValue(keyword, value, path);
  }
  if (result['type'] === undefined && !isIntOrString)
    throw new Error(`${path}: a structural schema needs a type`);
  return result;
}

function structuralValue(keyword: string, value: unknown, path: string): unknown {
  if (keyword === 'items' && isNode(value)) return structural(value, `${path}[]`);
  if (keyword === 'additionalProperties' && isNode(value)) return structural(value, `${path}.*`);
  if (keyword !== 'properties' || !isNode(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => {
      if (!isNode(child)) throw new Error(`${path}.${name}: not a schema`);
      return [name, structural(child, `${path}.${name}`)];
    }),
  );
}

/** A bound at the edge of JavaScript's exact integers is zod's own; a format says it better. */
function widenInteger(node: Record<string, unknown>): void {
  if (node['minimum'] === Number.MIN_SAFE_INTEGER) delete node['minimum'];
  if (node['maximum'] === Number.MAX_SAFE_INTEGER) delete node['maximum'];
  const { maximum } = node;
  node['format'] = typeof maximum === 'number' && maximum <= INT32_MAX ? 'int32' : 'int64';
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schemaOf(schema: z.ZodType, path: string): StructuralSchema {
  // The input side: what a user may leave out is not required.
  return structural(
    z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input', reused: 'inline' }),
    path,
  );
}

/** The schema of the whole object. */
export function rootSchema(): StructuralSchema {
  return {
    description:
      'A workload whose new revisions get traffic in steps, are judged on evidence, and lose the ' +
      'traffic again when a limit has held.',
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { description: 'Version of this representation.', type: 'string' },
      kind: { description: 'Kind of this object.', type: 'string' },
      metadata: { type: 'object' },
      spec: schemaOf(specSchema, 'spec'),
      status: {
        ...schemaOf(statusSchema, 'status'),
        // An object that nobody has looked at yet must not count as done (kstatus).
        default: { observedGeneration: -1 },
      },
    },
    ...validations(nameFits),
  };
}

const ready = '.status.conditions[?(@.type=="Ready")].reason';

/** Columns of `kubectl get x0tta`; priority 1 is `-o wide`. */
const PRINTER_COLUMNS = [
  column('Phase', 'string', '.status.phase', 'Where the object stands.'),
  column('Step', 'string', '.status.step.label', 'Running step of the canary.'),
  column('Weight', 'integer', '.status.canary.weight', 'Percent of the traffic on the canary.'),
  column('Stable', 'string', '.status.stable.revision', 'Stable revision.'),
  column('Canary', 'string', '.status.canary.revision', 'Revision of the canary.'),
  column('Ready', 'string', '.status.ready', 'Available and wanted pods.'),
  column('Reason', 'string', ready, 'Why the object is ready or not.'),
  column('Age', 'date', '.metadata.creationTimestamp', 'Age of the object.'),
  wide('Stable-Images', '.status.stable.images', 'Images of the stable revision.'),
  wide('Canary-Images', '.status.canary.images', 'Images of the canary.'),
  wide('Signal', '.status.worstSignal', 'The signal nearest to trouble, with its value.'),
];

function column(name: string, type: string, jsonPath: string, description: string): Node {
  return { name, type, description, jsonPath };
}

function wide(name: string, jsonPath: string, description: string): Node {
  return { ...column(name, 'string', jsonPath, description), priority: 1 };
}

/** The CustomResourceDefinition as it is applied. */
export function customResourceDefinition(): Node {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: {
        kind: KIND,
        listKind: `${KIND}List`,
        plural: PLURAL,
        singular: KIND.toLowerCase(),
        shortNames: [SHORT_NAME],
        categories: [SHORT_NAME],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          additionalPrinterColumns: PRINTER_COLUMNS,
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
          schema: { openAPIV3Schema: rootSchema() },
        },
      ],
    },
  };
}
