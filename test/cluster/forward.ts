export function forwardToHost(_: string): () => void {
  return () => {};
}
