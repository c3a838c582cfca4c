// A binary heap of keys by the time they are due, each at most once, so that a key whose time
// changes leaves nothing behind. It holds no clock.

interface Item {
  readonly key: string;
  readonly dueMs: number;
  /** Breaks ties in the order of arrival. */
  readonly sequence: number;
}

export interface Due {
  readonly key: string;
  readonly dueMs: number;
}

export class DelayHeap {
  readonly #items: Item[] = [];
  readonly #positions = new Map<string, number>();
  #nextSequence = 0;

  get size(): number {
    return this.#items.length;
  }

  /** The key that is due first, left where it is. */
  peek(): Due | undefined {
    return this.#items[0];
  }

  /** Puts the key in, or moves it to another time. */
  set(key: string, dueMs: number): void {
    this.delete(key);
    this.#items.push({ key, dueMs, sequence: this.#nextSequence++ });
    this.#positions.set(key, this.#items.length - 1);
    this.#rise(this.#items.length - 1);
  }

  /** Takes the key out, wherever it is; false when it wasn't there. */
  delete(key: string): boolean {
    const position = this.#positions.get(key);
    const last = this.#items.pop();
    if (position === undefined || last === undefined) {
      if (last !== undefined) this.#items.push(last);
      return false;
    }
    this.#positions.delete(key);
    if (last.key !== key) {
      this.#place(position, last);
      this.#rise(position);
      this.#sink(this.#positions.get(last.key) ?? position);
    }
    return true;
  }

  #rise(from: number): void {
    for (let position = from; position > 0;) {
      const parent = (position - 1) >> 1;
      if (!this.#before(position, parent)) return;
      this.#swap(position, parent);
      position = parent;
    }
  }

  #sink(from: number): void {
    for (let position = from; ;) {
      let first = position;
      for (const child of [2 * position + 1, 2 * position + 2]) {
        if (child < this.#items.length && this.#before(child, first)) first = child;
      }
      if (first === position) return;
      this.#swap(position, first);
      position = first;
    }
  }

  #before(a: number, b: number): boolean {
    const left = this.#at(a);
    const right = this.#at(b);
    if (left.dueMs !== right.dueMs) return left.dueMs < right.dueMs;
    return left.sequence < right.sequence;
  }

  #swap(a: number, b: number): void {
    const left = this.#at(a);
    this.#place(a, this.#at(b));
    this.#place(b, left);
  }

  #place(position: number, item: Item): void {
    this.#items[position] = item;
    this.#positions.set(item.key, position);
  }

  #at(position: number): Item {
    const item = this.#items[position];
    if (item === undefined) throw new Error(`the heap has no position ${position}`);
    return item;
  }
}
