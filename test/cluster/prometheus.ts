export async function startPrometheus(..._: unknown[]): Promise<string> {
  return '';
}
