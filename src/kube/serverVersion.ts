// Which version the API server has, and whether the operator was made for it. An old one is named
// and ends nothing.
import { KubeError } from './errors.ts';
import type { KubeClient } from './transport.ts';

export interface ServerVersion {
  /** As the server says it: 'v1.37.2'; 'unknown' when it does not. */
  readonly text: string;
  /** Major and minor; null where the text has none. */
  readonly numbers: readonly [number, number] | null;
}

/** The oldest that the operator is tested for, as major and minor. */
export const leastVersion = [1, 30] as const;

/** Rejects as the client does, but for a server that is there and does not tell. */
export async function readServerVersion(
  client: Pick<KubeClient, 'request'>,
): Promise<ServerVersion> {
  try {
    return parseServerVersion(await client.request({ method: 'GET', path: '/version' }));
  } catch (error) {
    const refused = error instanceof KubeError && (error.status === 403 || error.status === 404);
    if (refused) return parseServerVersion({});
    throw error;
  }
}

/** Distributions add to it: 'v1.30.4-eks-a1b2', minor '30+'. */
export function parseServerVersion(answer: unknown): ServerVersion {
  const fields: Readonly<Record<string, unknown>> = { ...(answer as object | null) };
  const { gitVersion, major, minor } = fields;
  const said = typeof gitVersion === 'string' ? gitVersion : `${String(major)}.${String(minor)}`;
  const [text, first, second] = /^v?(\d+)\.(\d+)\S*/.exec(said) ?? [];
  if (text === undefined)
    return { text: gitVersion === undefined ? 'unknown' : said, numbers: null };
  return { text, numbers: [Number(first), Number(second)] };
}

/** False also for a version that can't be read. */
export function isTooOld({ numbers }: ServerVersion): boolean {
  if (numbers === null) return false;
  const [major, minor] = numbers;
  return major < leastVersion[0] || (major === leastVersion[0] && minor < leastVersion[1]);
}
