// The rows of one answer, packed until somebody reads them: a fleet's answers have tens of
// thousands, and an object for each would outlive the cheap collections. It also tells whose a row
// is.
import type { EvidenceTarget } from '../core/evidence.ts';
import type { MetricRow } from './port.ts';
import { replicaSetOfPod, revisionLabel } from './queries.ts';
import type { Dialect } from './queries.ts';

type Labels = MetricRow['labels'];
/** Numbers of the revisions that a row is about. */
type Naming = (labels: Labels) => readonly number[];

const nobody: readonly number[] = [];

/** The number of the canary of the nth target of a look, or of its stable revision. */
export function revisionNumber(nth: number, role: 'canary' | 'stable'): number {
  return 2 * nth + (role === 'stable' ? 1 : 0);
}

/** The revisions of the targets of one look, by every name that a row may have for them. */
export class Revisions {
  readonly count: number;
  readonly dialect: Dialect;
  readonly #byReplicaSet = new Map<string, Map<string, readonly number[]>>();
  readonly #byHash = new Map<string, number[]>();
  readonly #byService = new Map<string, number[]>();
  readonly #podNumbers = new Map<string, number>();
  readonly #pods: string[] = [];
  readonly #spare: RowTable[] = [];

  constructor(targets: readonly EvidenceTarget[], dialect: Dialect) {
    this.count = 2 * targets.length;
    this.dialect = dialect;
    for (const [nth, target] of targets.entries()) {
      const { namespace, service, canaryReplicaSet, stableReplicaSet } = target;
      const canary = revisionNumber(nth, 'canary');
      const stable = revisionNumber(nth, 'stable');
      const own = getOrMake(this.#byReplicaSet, namespace, () => new Map());
      own.set(canaryReplicaSet, [canary]);
      if (stableReplicaSet !== null) own.set(stableReplicaSet, [stable]);
      const hash = canaryReplicaSet.slice(canaryReplicaSet.lastIndexOf('-') + 1);
      getOrMake(this.#byHash, `${namespace}/${hash}`, () => []).push(canary);
      const stem = `${namespace}-${service}`;
      getOrMake(this.#byService, `${stem}-canary`, () => []).push(canary);
      getOrMake(this.#byService, `${stem}-stable`, () => []).push(stable);
    }
  }

  /** Of a built-in query: the row names a ReplicaSet or its pod, or the service of a role. */
  readonly named: Naming = (labels) => {
    const { profile, labels: names } = this.dialect;
    const service = labels[profile.serviceLabel ?? ''];
    if (service !== undefined) return this.#named(service);
    const replicaSet = labels[revisionLabel] ?? replicaSetOfPod(labels[names.pod] ?? '');
    if (replicaSet === null) return nobody;
    return this.#byReplicaSet.get(labels[names.namespace] ?? '')?.get(replicaSet) ?? nobody;
  };

  /** Of a user's query: the row names the canary's ReplicaSet, or else its pod-template-hash. */
  readonly namedByUser: Naming = ({ namespace = '', replicaset, pod_template_hash: hash }) =>
    (replicaset === undefined
      ? this.#byHash.get(`${namespace}/${hash}`)
      : this.#byReplicaSet.get(namespace)?.get(replicaset)) ?? nobody;

  /** What follows the service and its role says port and router. */
  #named(text: string): readonly number[] {
    const found: number[] = [];
    // A service's own name may hold `-stable-` as well, so every place is one that may be meant.
    for (const { index: end, 0: role } of text.matchAll(/-(?:stable|canary)(?=-)/g)) {
      found.push(...(this.#byService.get(text.slice(0, end + role.length)) ?? nobody));
    }
    return found;
  }

  podNumber(name: string): number {
    return getOrMake(this.#podNumbers, name, () => this.#pods.push(name) - 1);
  }

  /** A table for the rows of one answer; one that was given back, where there is any. */
  takeTable(wanted: Wanted): RowTable {
    const spare = this.#spare.pop();
    if (spare === undefined) return new RowTable(wanted);
    spare.reset(wanted);
    return spare;
  }

  /** Nobody reads the table any more. */
  giveBack(table: RowTable): void {
    this.#spare.push(table);
  }

  pod(number: number): string {
    return this.#pods[number] ?? '';
  }
}

/** What an answer's rows are kept for. */
export interface Wanted {
  readonly revisions: Revisions;
  /** A query of a user's, whose rows have labels of their own choice. */
  readonly isUsers: boolean;
  /** Several ask it: a row that names nobody is nobody's then. */
  readonly isShared: boolean;
  /** Stable's rows as well. */
  readonly isWide: boolean;
}

/** Columns of a row: the next row of its revision, its labels, its pod, and where it ends. */
const columns = 4;
const none = -1;

export class RowTable {
  #wanted: Wanted;
  #naming: Naming;
  /** Labels that are not among those of #kinds. */
  #apart: ReadonlySet<string>;
  /** The first row of each revision, and its newest. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  // Numbers only, and far apart from other objects: a collection has nothing to look through.
  #rows: Int32Array;
  #rowCount = 0;
  /** The rows' samples on end: time, value, time, value and so on. */
  #samples: Float64Array;
  #samplesEnd = 0;
  /** Each set of labels once: a fleet's rows differ by what they name, and little else. */
  #kinds: Labels[] = [];
  readonly #kindNumbers = new Map<string, number>();
  #takenCount = 0;
  /** The newest row without any label. */
  #bare: MetricRow | null = null;
  #namesNobody = false;

  constructor(wanted: Wanted) {
    const { count } = wanted.revisions;
    this.#wanted = wanted;
    this.#naming = namingOf(wanted);
    this.#apart = namesIn(wanted);
    this.#first = new Int32Array(count).fill(none);
    this.#last = new Int32Array(count).fill(none);
    this.#rows = new Int32Array(columns * count);
    this.#samples = new Float64Array(2 * count);
  }

  /** Takes the rows of another answer about the same revisions, in the room of the old ones. */
  reset(wanted: Wanted): void {
    this.#wanted = wanted;
    this.#naming = namingOf(wanted);
    this.#apart = namesIn(wanted);
    this.#first.fill(none);
    this.#last.fill(none);
    this.#rowCount = 0;
    this.#samplesEnd = 0;
    this.#kinds = [];
    this.#kindNumbers.clear();
    this.#takenCount = 0;
    this.#bare = null;
    this.#namesNobody = false;
  }

  add(row: MetricRow): void {
    this.#takenCount++;
    const { isUsers, isShared } = this.#wanted;
    if (isUsers && !isShared && Object.keys(row.labels).length === 0) this.#bare = row;
    const { namespace, replicaset, pod_template_hash: hash } = row.labels;
    this.#namesNobody ||= isUsers && (namespace === undefined || !(replicaset ?? hash));
    for (const revision of this.#naming(row.labels)) {
      const isStable = revision % 2 === 1;
      if (!isStable || this.#wanted.isWide) this.#put(revision, row);
    }
  }

  /** A row of a user's query says of no revision that it is about it. */
  get namesNobody(): boolean {
    return this.#namesNobody;
  }

  has(revision: number): boolean {
    return this.#first[revision] !== none;
  }

  /** A revision's rows in the order they came. */
  rowsOf(revision: number): readonly MetricRow[] {
    // One row without any label speaks of the only object that asks.
    if (this.#bare !== null && this.#takenCount === 1) return [this.#bare];
    const rows: MetricRow[] = [];
    let at = this.#first[revision] ?? none;
    while (at !== none) {
      rows.push({ labels: this.#labelsOf(at), samples: this.#samplesOf(at) });
      at = this.#rows[columns * at] ?? none;
    }
    return rows;
  }

  #put(revision: number, { labels, samples }: MetricRow): void {
    const at = this.#rowCount++;
    if (columns * this.#rowCount > this.#rows.length) {
      this.#rows = moved(this.#rows, new Int32Array(2 * this.#rows.length));
    }
    const before = this.#last[revision] ?? none;
    if (before === none) this.#first[revision] = at;
    else this.#rows[columns * before] = at;
    this.#last[revision] = at;
    this.#putSamples(samples);
    const { revisions } = this.#wanted;
    const pod = labels[revisions.dialect.labels.pod];
    this.#rows[columns * at] = none;
    this.#rows[columns * at + 1] = this.#kindOf(labels);
    this.#rows[columns * at + 2] = pod === undefined ? none : revisions.podNumber(pod);
    this.#rows[columns * at + 3] = this.#samplesEnd;
  }

  #putSamples(samples: MetricRow['samples']): void {
    const end = this.#samplesEnd + 2 * samples.length;
    if (end > this.#samples.length) {
      this.#samples = moved(this.#samples, new Float64Array(2 * end));
    }
    for (const sample of samples) {
      this.#samples[this.#samplesEnd] = sample[0];
      this.#samples[this.#samplesEnd + 1] = sample[1];
      this.#samplesEnd += 2;
    }
  }

  #kindOf(labels: Labels): number {
    let key = '';
    for (const name in labels) if (!this.#apart.has(name)) key += `${name}\0${labels[name]}\0`;
    return getOrMake(this.#kindNumbers, key, () => {
      const own = Object.entries(labels).filter(([name]) => !this.#apart.has(name));
      return this.#kinds.push(Object.fromEntries(own)) - 1;
    });
  }

  #labelsOf(at: number): Labels {
    const labels = this.#kinds[this.#rows[columns * at + 1] ?? 0] ?? {};
    const pod = this.#rows[columns * at + 2] ?? none;
    if (pod === none) return labels;
    const { revisions } = this.#wanted;
    return { ...labels, [revisions.dialect.labels.pod]: revisions.pod(pod) };
  }

  #samplesOf(at: number): MetricRow['samples'] {
    const samples: [number, number][] = [];
    const end = this.#rows[columns * at + 3] ?? 0;
    // A row begins where the one before it ends.
    for (let i = this.#rows[columns * at - 1] ?? 0; i < end; i += 2) {
      samples.push([this.#samples[i] ?? NaN, this.#samples[i + 1] ?? NaN]);
    }
    return samples;
  }
}

function namingOf({ revisions, isUsers }: Wanted): Naming {
  return isUsers ? revisions.namedByUser : revisions.named;
}

/** Labels that say whose a row is. */
function namesIn({ revisions, isUsers }: Wanted): ReadonlySet<string> {
  if (isUsers) return new Set(['namespace', 'replicaset', 'pod_template_hash']);
  const { labels, profile } = revisions.dialect;
  return new Set([labels.namespace, labels.pod, revisionLabel, profile.serviceLabel ?? '']);
}

function moved<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
