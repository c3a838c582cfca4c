// What each write of a rollback is for, in words, told from what the audit log has of it.
import { DRAINING_SINCE_ANNOTATION, VERDICT_ANNOTATION } from '../src/api/names.ts';
import type { Write } from './bench.ts';

interface Patch {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string | null>> };
  readonly spec?: { readonly replicas?: number };
}

type Status = Readonly<Record<string, unknown>>;

/** One line for each write, in their order: the resource, and what it is written for. */
export function purposesOf(writes: readonly Write[]): readonly string[] {
  let status: Status = {};
  return writes.map((write) => {
    const { resource, subresource } = write;
    const where = `\`${resource}${subresource === '' ? '' : `/${subresource}`}\``;
    if (subresource !== 'status') return `${where}: ${purposeOf(write)}`;
    const before = status;
    status = (write.object as { status?: Status }).status ?? {};
    return `${where}: ${String(status['phase'])}${news(before, status)}`;
  });
}

function purposeOf({ resource, request }: Write): string {
  const text = JSON.stringify(request);
  if (resource === 'httproutes') {
    return text.includes('/metadata/managedFields/')
      ? "the operator's own entry leaves managedFields"
      : 'the weights 100/0 with the verdict';
  }
  if (resource === 'services') return 'the canary service selects stable';
  if (resource !== 'replicasets') return text;
  const { metadata, spec } = request as Patch;
  if (spec?.replicas !== undefined) return `the canary is scaled to ${spec.replicas}`;
  const notes = Object.keys(metadata?.annotations ?? {});
  if (notes.includes(VERDICT_ANNOTATION)) return 'the verdict stands on the canary';
  if (notes.includes(DRAINING_SINCE_ANNOTATION)) return 'the drain of the canary begins';
  return `the canary's ${notes.join(', ')}`;
}

/** Which of its fields differ; '' for the first, all of which is new. */
function news(before: Status, after: Status): string {
  if (Object.keys(before).length === 0) return '';
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => {
    return JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  });
  return `, with new ${changed.toSorted().join(', ')}`;
}
