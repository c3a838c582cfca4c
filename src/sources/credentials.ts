// What proves to a metric server who asks: tokens, passwords and certificates, read from their
// files and again when they may have changed. It sends nothing, and keeps secrets out of texts.
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Clock } from '../runtime/clock.ts';
import type { ServerSettings } from './port.ts';

/** How one request proves itself. */
export interface Proof {
  readonly headers: Readonly<Record<string, string>>;
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

export interface Credentials {
  /** @throws Error that names the file that can't be used, never what is in it. */
  proof(): Proof;
  /** The text without any secret that was used so far. */
  redact(text: string): string;
}

/** Files are read again when they were read this long ago. */
const freshMs = 10_000;
/** Enough that the slow queries of some looks leave room for the others'. */
const agentOptions = { keepAlive: true, maxSockets: 32 } as const;

export function createCredentials(
  { auth, headers, tls }: ServerSettings,
  clock: Pick<Clock, 'monotonicMs'>,
): Credentials {
  const files = new Map<string, { readonly text: string; readonly readMs: number }>();
  const secrets = new Set<string>();
  const httpAgent = new HttpAgent(agentOptions);
  let https: { readonly agent: HttpsAgent; readonly of: string } | null = null;
  const read = (path: string): string => {
    const nowMs = clock.monotonicMs();
    const known = files.get(path);
    if (known !== undefined && nowMs < known.readMs + freshMs) return known.text;
    let text: string;
    try {
      text = readFileSync(path, 'utf8').trim();
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
      throw new Error(`${path} can't be read (${code})`, { cause: error });
    }
    if (text === '') throw new Error(`${path} is empty`);
    files.set(path, { text, readMs: nowMs });
    return text;
  };
  const authorization = (): Record<string, string> => {
    if (auth === null) return {};
    if (auth.kind === 'bearer') {
      const token = read(auth.tokenFile);
      secrets.add(token);
      return { authorization: `Bearer ${token}` };
    }
    const password = read(auth.passwordFile);
    const basic = Buffer.from(`${auth.username}:${password}`).toString('base64');
    secrets.add(password).add(basic);
    return { authorization: `Basic ${basic}` };
  };
  const httpsAgent = (): HttpsAgent => {
    const pem = (path: string | null): string | undefined =>
      path === null ? undefined : read(path);
    const material = { ca: pem(tls.caFile), cert: pem(tls.certFile), key: pem(tls.keyFile) };
    const of = JSON.stringify(material);
    if (https?.of !== of) https = { agent: new HttpsAgent({ ...agentOptions, ...material }), of };
    return https.agent;
  };
  return {
    proof: () => ({
      headers: { ...headers, ...authorization() },
      httpAgent,
      httpsAgent: httpsAgent(),
    }),
    redact: (text) =>
      [...secrets].reduce((redacted, secret) => redacted.replaceAll(secret, '[redacted]'), text),
  };
}
