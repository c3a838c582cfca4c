// Waiting for a state in tests with real sockets: looks again at every turn of the event loop.

/** Resolves when the condition holds; mocha's own time-out ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
