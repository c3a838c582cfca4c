// A latency histogram of fixed size with buckets that grow by 2 %, so that a quantile is at most
// 2 % off. It knows nothing of requests.

const SMALLEST_MS = 0.05;
const LARGEST_MS = 120_000;
const GROWTH = 1.02;
const BUCKETS = Math.ceil(Math.log(LARGEST_MS / SMALLEST_MS) / Math.log(GROWTH)) + 1;

/** Latencies, bounded in memory whatever their number. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;

  /** Adds one latency; what lies outside 0.05 ms to 120 s counts as the end it is beyond. */
  add(latencyMs: number): void {
    const bounded = Math.min(Math.max(latencyMs, SMALLEST_MS), LARGEST_MS);
    const index = Math.ceil(Math.log(bounded / SMALLEST_MS) / Math.log(GROWTH) - 1e-9);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total += 1;
  }

  /** The latency in ms that a share `q` (0 to 1) of the requests kept within; null without any. */
  quantile(q: number): number | null {
    if (this.#total === 0) return null;
    const rank = Math.max(1, Math.ceil(q * this.#total - 1e-9));
    let seen = 0;
    for (const [index, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return SMALLEST_MS * GROWTH ** index;
    }
    return LARGEST_MS;
  }
}
