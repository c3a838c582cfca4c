// Reads the body of a Prometheus' answer as it comes in, some rows at a time: a fleet's answer is
// megabytes, of which little is kept, and as a whole it would be several times that in memory.
import type { MetricRow, TakeRow } from './port.ts';

/** A whole body, whose rows were told. */
export interface Body {
  readonly envelope: unknown;
  readonly rowCount: number;
  /** Anything in the rows is not as the API says. */
  readonly isMalformed: boolean;
}

/** So few rows at a time that they are garbage before a collection moves them. */
const batchBytes = 8 * 1024;
// A quote within a JSON string is escaped, so that no label's value can look like these.
const firstRow = '[{"metric":';
const betweenRows = '},{"metric":';

export class BodyReader {
  readonly #take: TakeRow;
  #rowCount = 0;
  #isMalformed = false;
  /** The body up to its first row, once that was cut off. */
  #head: string | null = null;
  #rest: Buffer = Buffer.alloc(0);
  /** What came after it. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #cutAtBytes = batchBytes;

  constructor(take: TakeRow) {
    this.#take = take;
  }

  write(chunk: Buffer): void {
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#rest.length + this.#waitingBytes < this.#cutAtBytes) return;
    this.#join();
    const isCut = this.#cutHead() && this.#cutRows();
    // Of another form, or one long row: it is read with the rest, and seldom looked through.
    this.#cutAtBytes = isCut ? batchBytes : 2 * this.#rest.length;
  }

  end(): Body {
    this.#join();
    // What was cut off were whole rows: the rest is a whole body as well.
    const envelope = parseJson((this.#head ?? '') + this.#rest.toString());
    const data = isRecord(envelope) ? envelope['data'] : null;
    if (isRecord(data)) {
      const { resultType, result } = data;
      // A scalar is one sample without labels.
      this.#read(resultType === 'scalar' ? [{ metric: {}, value: result }] : result);
    }
    return { envelope, rowCount: this.#rowCount, isMalformed: this.#isMalformed };
  }

  #join(): void {
    this.#rest = Buffer.concat([this.#rest, ...this.#waiting]);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** False while no row has begun. */
  #cutHead(): boolean {
    if (this.#head !== null) return true;
    const begin = this.#rest.indexOf(firstRow) + 1;
    if (begin === 0) return false;
    this.#head = this.#rest.toString('utf8', 0, begin);
    this.#rest = this.#rest.subarray(begin);
    return true;
  }

  /** Reads the whole rows that another one follows; false when there was none. */
  #cutRows(): boolean {
    let from = 0;
    for (;;) {
      const near = this.#rest.lastIndexOf(betweenRows, from + batchBytes);
      const end = near > from ? near : this.#rest.indexOf(betweenRows, from);
      if (end < 0) break;
      this.#read(parseJson(`[${this.#rest.toString('utf8', from, end + 1)}]`));
      from = end + 2;
    }
    this.#rest = this.#rest.subarray(from);
    return from > 0;
  }

  /** Checked by hand: a schema takes ten times as long. */
  #read(items: unknown): void {
    if (!Array.isArray(items)) {
      this.#isMalformed = true;
      return;
    }
    this.#rowCount += items.length;
    for (const item of items) {
      const row = rowOf(item);
      if (row === null) this.#isMalformed = true;
      else this.#take(row);
    }
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function rowOf(item: unknown): MetricRow | null {
  if (!isRecord(item) || !isLabels(item['metric'])) return null;
  const found = item['values'] ?? [item['value']];
  if (!Array.isArray(found)) return null;
  const samples: (readonly [number, number])[] = [];
  for (const sample of found) {
    if (!isSample(sample)) return null;
    samples.push([Math.round(sample[0] * 1000), numberOf(sample[1])]);
  }
  return { labels: item['metric'], samples };
}

function isLabels(value: unknown): value is Readonly<Record<string, string>> {
  if (!isRecord(value)) return false;
  for (const name in value) if (typeof value[name] !== 'string') return false;
  return true;
}

function isSample(value: unknown): value is readonly [number, string] {
  return (
    Array.isArray(value) &&
    value.length === 2 &&
    typeof value[0] === 'number' &&
    typeof value[1] === 'string'
  );
}

/** Prometheus writes infinities as +Inf and -Inf, which Number does not read. */
function numberOf(text: string): number {
  if (text === '+Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
