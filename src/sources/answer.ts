// Reads the body of a Prometheus' answer as it comes in, some rows at a time: a fleet's answer is
// megabytes, of which few rows are kept, and as a whole it would be several times that in memory.
import type { MetricRow, WantRow } from './port.ts';

/** A whole body; null rows: anything in them is not as the API says. */
export interface Body {
  readonly envelope: unknown;
  readonly rows: readonly MetricRow[] | null;
  /** With those that nobody wants. */
  readonly rowCount: number;
}

const batchChars = 64 * 1024;
// A quote within a JSON string is escaped, so that no label's value can look like these.
const firstRow = '[{"metric":';
const betweenRows = '},{"metric":';

export class BodyReader {
  readonly #want: WantRow;
  readonly #rows: MetricRow[] = [];
  #rowCount = 0;
  #isMalformed = false;
  /** The body up to its first row, once that was cut off. */
  #head: string | null = null;
  #text = '';
  #cutAtChars = batchChars;

  constructor(want: WantRow) {
    this.#want = want;
  }

  write(text: string): void {
    this.#text += text;
    if (this.#text.length < this.#cutAtChars) return;
    const begin = this.#head === null ? this.#text.indexOf(firstRow) + 1 : 0;
    const end = this.#text.lastIndexOf(betweenRows) + 1;
    if (end <= begin || (this.#head === null && begin === 0)) {
      // Of another form, or one long row: it is read with the rest, and seldom looked through.
      this.#cutAtChars = 2 * this.#text.length;
      return;
    }
    this.#head ??= this.#text.slice(0, begin);
    this.#read(parseJson(`[${this.#text.slice(begin, end)}]`));
    this.#text = this.#text.slice(end + 1);
    this.#cutAtChars = batchChars;
  }

  end(): Body {
    // What was cut off were whole rows: the rest is a whole body as well.
    const envelope = parseJson((this.#head ?? '') + this.#text);
    const data = isRecord(envelope) ? envelope['data'] : null;
    if (isRecord(data)) {
      const { resultType, result } = data;
      // A scalar is one sample without labels.
      this.#read(resultType === 'scalar' ? [{ metric: {}, value: result }] : result);
    }
    const rows = this.#isMalformed ? null : this.#rows;
    return { envelope, rows, rowCount: this.#rowCount };
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
      else if (this.#want(row.labels)) this.#rows.push(row);
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
