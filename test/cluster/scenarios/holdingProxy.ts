// A proxy between an operator and the API server that passes everything on until a chosen write:
// then it calls back, before the write is forwarded or after it took effect, and answers no more.
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import type { Cluster } from '../cluster.ts';

export interface Trap {
  /** The write to hold, counted from 1 since the trap was set. */
  readonly nth: number;
  /** before: it never reaches the API server; after: it took effect, and no answer comes. */
  readonly when: 'before' | 'after';
  /** Called once, while the write is held. */
  readonly spring: () => void;
}

/** Paths of those that were answered 410 so far. */
export type ExpiredWatches = ReadonlySet<string>;

export interface HoldingProxy {
  readonly url: string;
  /** Method and path of each write since the trap was set, Events left out. */
  readonly writes: readonly string[];
  /** Sets a trap, or none, and counts from 1 again. */
  set(trap: Trap | null): void;
  /** Holds back reads whose path and query match; null lets all of them go on. */
  withhold(reads: RegExp | null): void;
  /** Answers 409 to every write whose path matches; null: to none. */
  answerConflict(path: RegExp | null): void;
  /** Answers 422 to every watch that begins with a list, as servers that stream none do. */
  streamNoLists(): void;
  /** Answers 410 to the next try at each watch. */
  expireWatches(): ExpiredWatches;
  /** Ends every watch in the middle. */
  dropStreams(): void;
  /** From now on nothing gets through in either direction, and no connection is closed. */
  cut(): void;
  close(): Promise<void>;
}

/** Passes requests on to the API server, under its own certificate. */
export async function startHoldingProxy({ apiUrl, ca, folder }: Cluster): Promise<HoldingProxy> {
  const dispatcher = new Agent({ connect: { ca }, bodyTimeout: 0, headersTimeout: 0 });
  const writes: string[] = [];
  const streams = new Set<Readable>();
  let trap: Trap | null = null;
  let conflicting: RegExp | null = null;
  let expired: Set<string> | null = null;
  let withheld: RegExp | null = null;
  let streamsLists = true;
  const waiting: (() => void)[] = [];
  let isCut = false;
  const forward = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    if (isCut) return;
    if (from.method === 'GET' && withheld?.test(from.url ?? '') === true) {
      await new Promise<void>((goOn) => waiting.push(goOn));
    }
    const body = from.method === 'GET' ? undefined : await readBody(from);
    const isWrite = body !== undefined && !from.url?.includes('/events');
    if (isWrite) writes.push(`${from.method} ${from.url?.split('?')[0] ?? ''}`);
    if (isWrite && conflicting?.test(from.url ?? '') === true) {
      const status = { kind: 'Status', code: 409, reason: 'Conflict', message: 'it was modified' };
      to.writeHead(409, { 'content-type': 'application/json' }).end(JSON.stringify(status));
      return;
    }
    const [path = '', query] = (from.url ?? '').split('?');
    if (!streamsLists && query?.includes('sendInitialEvents=true') === true) {
      const status = {
        kind: 'Status',
        code: 422,
        reason: 'Invalid',
        message: 'it streams no lists',
      };
      to.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify(status));
      return;
    }
    if (expired !== null && query?.includes('watch=true') === true && !expired.has(path)) {
      expired.add(path);
      const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
      to.writeHead(410, { 'content-type': 'application/json' }).end(JSON.stringify(status));
      return;
    }
    const sprung = isWrite && trap !== null && writes.length >= trap.nth ? trap : null;
    const isFirst = sprung?.nth === writes.length;
    if (sprung?.when === 'before' || (sprung !== null && !isFirst)) {
      if (isFirst) sprung.spring();
      return;
    }
    const { host: _, connection: __, 'transfer-encoding': ___, ...headers } = from.headers;
    const answer = await request(apiUrl + from.url, {
      method: from.method as Dispatcher.HttpMethod,
      headers: headers as Record<string, string>,
      dispatcher,
      ...(body === undefined ? {} : { body }),
    });
    if (sprung !== null) {
      await answer.body.dump();
      sprung.spring();
      return;
    }
    to.writeHead(answer.statusCode, answer.headers);
    to.flushHeaders();
    streams.add(answer.body);
    await pipeline(answer.body, to, { end: false });
    streams.delete(answer.body);
    to.end();
  };
  // An operator that was killed leaves its requests behind.
  const key = readFileSync(join(folder, 'pki', 'apiserver.key'));
  const server = createServer({ key, cert: ca }, (from, to) => {
    forward(from, to).catch(() => isCut || to.destroy());
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `https://127.0.0.1:${port}`,
    writes,
    withhold: (reads) => {
      withheld = reads;
      for (const goOn of waiting.splice(0)) goOn();
    },
    answerConflict: (path) => {
      conflicting = path;
    },
    streamNoLists: () => {
      streamsLists = false;
    },
    expireWatches: () => {
      expired = new Set();
      return expired;
    },
    dropStreams: () => {
      for (const stream of streams) stream.destroy();
    },
    cut: () => {
      isCut = true;
      for (const stream of streams) stream.unpipe();
    },
    set: (next) => {
      trap = next;
      writes.length = 0;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await dispatcher.destroy();
    },
  };
}

async function readBody(from: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
