// A JSON patch (RFC 6902) as the API server applies it: `add`, `remove` and `test` only, and a test
// for null passes where there is nothing (evanphx/json-patch 4.13, `func (p Patch) test`).
import type { PatchOperation } from '../../src/traffic/plan.ts';

/** An operation of a patch does not apply to the document. */
export class PatchError extends Error {}

type Container = Record<string, unknown>;

/** The patched copy of a document. @throws PatchError */
export function applyPatch<T>(document: T, patch: readonly PatchOperation[]): T {
  const copy = structuredClone(document);
  for (const operation of patch) apply(copy, operation);
  return copy;
}

function apply(document: unknown, operation: PatchOperation): void {
  const segments = operation.path
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
  const key = segments.pop() ?? '';
  let place = document;
  for (const segment of segments) place = isContainer(place) ? place[segment] : undefined;
  if (!isContainer(place)) throw new PatchError(`missing path: ${operation.path}`);
  if (operation.op === 'test') {
    if ((place[key] ?? null) !== operation.value) throw new PatchError(`${operation.path} differs`);
    return;
  }
  if (operation.op === 'add') {
    // In an array it would insert; a plan that does so is wrong.
    if (Array.isArray(place)) throw new PatchError(`${operation.path} is an element of a list`);
    place[key] = structuredClone(operation.value);
    return;
  }
  if (!(key in place)) throw new PatchError(`${operation.path} is not there to remove`);
  if (Array.isArray(place)) place.splice(Number(key), 1);
  else delete place[key];
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}
