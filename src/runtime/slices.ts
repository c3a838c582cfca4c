// Long work cut into slices, so that what came in meanwhile, and may be urgent, goes in between.

const sliceLength = 100;

/** Calls `work` for each item in turn; after every hundred the event loop goes round once. */
export async function inSlices<T>(
  items: readonly T[],
  work: (item: T, index: number) => void,
): Promise<void> {
  let index = 0;
  for (const item of items) {
    if (index > 0 && index % sliceLength === 0) await new Promise(setImmediate);
    work(item, index);
    index++;
  }
}
