// The reference page of the resource, made from the schemas, the rules and the names, so that it
// can say nothing that the API server does not do. It returns text; scripts/generate.ts writes it.

import { ACTIONS } from './actions.ts';
import type { StructuralSchema } from './crd.ts';
import { rootSchema } from './crd.ts';
import { BUILT_IN_SIGNALS } from './runbook.ts';
import { ACTION_ANNOTATION, API_VERSION, KIND, SHORT_NAME, WRITTEN_NAMES } from './names.ts';
import { formatDuration, formatValue } from './quantities.ts';
import { REASONS } from './reasons.ts';

interface Field {
  readonly path: string;
  readonly schema: StructuralSchema;
  readonly required: boolean;
}

/** docs/reference.md as Markdown. */
export function referencePage(): string {
  const root = rootSchema();
  return [
    `# ${KIND}`,
    `\`apiVersion: ${API_VERSION}\`, short name \`${SHORT_NAME}\`. An example is in ` +
      'example.yaml. This page is generated from the sources of the resource; `kubectl explain` ' +
      'says the same.',
    '## Spec',
    'A field marked * is required. Durations are written as `1h30m`, `2m`, `10s` or `500ms`.',
    fieldTable(fieldsUnder(root, 'spec')),
    '## Signals that need not be listed',
    signalTable(),
    'A default beyond a given rollback limit is lowered to it. A custom signal has no defaults: ' +
      'it is judged by the limits it names, counts no requests, and its `noData` is Ignore.',
    '## Rules',
    'The API server refuses an object that breaks one of these.',
    ruleTable(root),
    '## Status',
    fieldTable(fieldsUnder(root, 'status')),
    '## Actions',
    `The annotation \`${ACTION_ANNOTATION}: <verb>/<id>[/<revision>]\` asks for an action. ` +
      'The id is yours to choose and is acted upon once; without a revision the action means the ' +
      'canary of that moment.',
    table(
      ['Verb', 'What it does'],
      Object.entries(ACTIONS).map(([verb, meaning]) => [code(verb), meaning]),
    ),
    '## What the operator writes on objects',
    'Besides the objects it owns, the operator writes these names and the weights of the two ' +
      'services in the routes. A tool that compares objects with Git must leave them out of the ' +
      'comparison.',
    table(
      ['Name', 'Kind', 'On', 'Meaning'],
      WRITTEN_NAMES.map(({ name, kind, on, meaning }) => [code(name), kind, on, meaning]),
    ),
    '## Reasons',
    'Conditions, Events and signals carry one of these words.',
    table(
      ['Reason', 'Meaning'],
      Object.entries(REASONS).map(([reason, meaning]) => [code(reason), meaning]),
    ),
  ]
    .join('\n\n')
    .concat('\n');
}

function fieldsUnder(root: StructuralSchema, name: string): readonly Field[] {
  const schema = root.properties?.[name];
  if (schema === undefined) throw new Error(`the resource has no ${name}`);
  return fieldsOf(schema, '');
}

function fieldsOf(schema: StructuralSchema, prefix: string): readonly Field[] {
  const { properties = {}, required = [] } = schema.items ?? schema;
  return Object.entries(properties).flatMap(([name, child]) => {
    const path = `${prefix}${name}`;
    const below = fieldsOf(child, child.items === undefined ? `${path}.` : `${path}[].`);
    return [{ path, schema: child, required: required.includes(name) }, ...below];
  });
}

function fieldTable(fields: readonly Field[]): string {
  return table(
    ['Field', 'Type', 'Default', 'Bounds', 'Meaning'],
    fields.map(({ path, schema, required }) => [
      `${code(path)}${required ? '*' : ''}`,
      typeOf(schema),
      defaultOf(schema),
      boundsOf(schema),
      schema.description ?? '',
    ]),
  );
}

function defaultOf(schema: StructuralSchema): string {
  const value = schema['default'];
  return value === undefined ? '' : code(typeof value === 'string' ? value : JSON.stringify(value));
}

function typeOf(schema: StructuralSchema): string {
  const choices = schema['enum'];
  if (Array.isArray(choices)) return choices.map((choice) => code(String(choice))).join(', ');
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) {
    return `map of ${typeOf(schema.additionalProperties)}`;
  }
  return schema['format'] === 'date-time' ? 'time' : (schema.type ?? '');
}

function boundsOf(schema: StructuralSchema): string {
  const ranges: readonly (readonly [string, string, string])[] = [
    ['minimum', 'maximum', ''],
    ['minLength', 'maxLength', ' characters'],
    ['minItems', 'maxItems', ' items'],
    ['minProperties', 'maxProperties', ' entries'],
  ];
  return ranges
    .flatMap(([low, high, noun]) => {
      const [min, max] = [schema[low], schema[high]];
      if (typeof max === 'number') {
        return [`${typeof min === 'number' ? `${min} to` : 'up to'} ${max}${noun}`];
      }
      return typeof min === 'number' ? [`at least ${min}${noun}`] : [];
    })
    .join(', ');
}

function signalTable(): string {
  return table(
    ['Signal', 'Alert', 'Warning', 'Critical', 'Rollback', 'minRequests', 'noData'],
    Object.entries(BUILT_IN_SIGNALS).map(([name, row]) => {
      const limit = (value: number | null): string =>
        value === null ? '' : `${row.direction} ${formatValue(value, row.unit)}`;
      const hold = row.forSeconds === 0 ? 'at once' : `for ${formatDuration(row.forSeconds)}`;
      return [
        code(name),
        row.alert,
        limit(row.warning),
        limit(row.critical),
        row.rollback === null ? '' : `${limit(row.rollback)} ${hold}`,
        String(row.minRequests),
        row.noData,
      ];
    }),
  );
}

interface RuleRow {
  readonly path: string;
  readonly message: string;
}

function ruleTable(root: StructuralSchema): string {
  const pathsByMessage = new Map<string, string[]>();
  for (const { path, message } of rulesOf(root, '')) {
    pathsByMessage.set(message, [...(pathsByMessage.get(message) ?? []), path]);
  }
  return table(
    ['Rule', 'Fields'],
    [...pathsByMessage].map(([message, paths]) => [
      message,
      [...new Set(paths)].map((path) => (path === '' ? 'the object' : code(path))).join(', '),
    ]),
  );
}

function rulesOf(schema: StructuralSchema, path: string): readonly RuleRow[] {
  const rules = (schema['x-kubernetes-validations'] ?? []) as readonly { message: string }[];
  const own = rules.map(({ message }) => ({ path, message }));
  const below = Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    rulesOf(child, path === '' ? name : `${path}.${name}`),
  );
  return [...own, ...below, ...(schema.items ? rulesOf(schema.items, `${path}[]`) : [])];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function code(text: string): string {
  return `\`${text}\``;
}
