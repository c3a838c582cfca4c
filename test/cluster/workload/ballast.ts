// Holds memory for the sample workload: allocates it outside the JavaScript heap and writes to
// every page, so that the kernel counts it. It does not decide how much.

const CHUNK_BYTES = 1_000_000;

/** Memory held for its own sake. */
export class Ballast {
  #chunks: Buffer[] = [];

  /** Holds `bytes`, rounded down to whole megabytes; gives back what is over. */
  hold(bytes: number): void {
    const count = Math.floor(bytes / CHUNK_BYTES);
    if (count < this.#chunks.length) this.#chunks = this.#chunks.slice(0, count);
    while (this.#chunks.length < count) this.#chunks.push(Buffer.alloc(CHUNK_BYTES, 1));
  }

  /** What is held, in bytes. */
  get heldBytes(): number {
    return this.#chunks.length * CHUNK_BYTES;
  }
}
