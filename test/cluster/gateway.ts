export async function startGateway(..._: unknown[]): Promise<string> {
  return '';
}
