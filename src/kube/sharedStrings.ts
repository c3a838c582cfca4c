// One copy of each text that many objects hold: names, namespaces, owners' UIDs, kinds. As parsed,
// every object has a copy of its own, which is a tenth of what a fleet's caches hold.

/** Longer texts are messages, and seldom the same. */
const longestShared = 100;
const mostKnown = 50_000;

export class SharedStrings {
  readonly #known = new Map<string, string>();

  /** The same text, the first of its copies. */
  of(text: string): string {
    if (text.length > longestShared) return text;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= mostKnown) this.#known.clear();
    this.#known.set(text, text);
    return text;
  }

  /** Lets go of all texts: those that come after it are shared among themselves. */
  clear(): void {
    this.#known.clear();
  }
}
