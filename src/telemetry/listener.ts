// An HTTP server of a few paths on an address of its own, with bounds on everything that a client
// may take. What stands under a path is its caller's.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '../runtime/log.ts';

export interface ListenAddress {
  /** The flag that says it, for messages: '--listen'. */
  readonly flag: string;
  /** Missing: every address of the machine, of both families where it has IPv6. */
  readonly host: string | undefined;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

export interface ListenerOptions {
  readonly address: ListenAddress;
  /** By path, without a query. What one throws is logged and answered with 500. */
  readonly paths: ReadonlyMap<string, () => Answer | Promise<Answer>>;
  /** One more ends the one that was used longest ago, and is closed where all await answers. */
  readonly maxConnections: number;
  readonly log: Log;
}

export interface Listener {
  readonly port: number;
  /** Takes no more requests; resolves when those under way were answered. */
  close(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;

/** Rejects when the address can't be listened on. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const { address, log } = options;
  let closing = false;
  const underWay = new Set<ServerResponse>();
  /** Those used last come last. */
  const connections = new Set<Socket>();
  let allAnswered: () => void = () => undefined;
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      underWay.add(response);
      response.once('close', () => {
        underWay.delete(response);
        if (connections.delete(request.socket)) connections.add(request.socket);
        if (underWay.size === 0) allAnswered();
      });
      void answerTo(request.method ?? '', request.url ?? '', options).then((answer) => {
        send(response, answer, closing);
      });
    },
  );
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    if (connections.size > options.maxConnections) endOne(connections, underWay);
  });
  await listen(server, address);
  server.on('error', (error) => log('error', `the server of ${address.flag} failed`, { error }));
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Node counts a connection that never said a word among the busy ones, and no longer ends it.
      allAnswered = () => server.closeAllConnections();
      if (underWay.size === 0) allAnswered();
      await closed;
    },
  };
}

/**
 * Ends the connection used longest ago that awaits no answer, so that clients that say or read
 * nothing keep no probe out. The newest comes last, and so ends where every other one awaits one.
 */
function endOne(connections: Set<Socket>, underWay: ReadonlySet<ServerResponse>): void {
  const awaiting = [...underWay].filter(({ writableEnded }) => !writableEnded);
  const busy = new Set(awaiting.map(({ req }) => req.socket));
  const idle = [...connections].find((socket) => !busy.has(socket));
  if (idle === undefined) return;
  // Its close comes later, and until then it would be chosen again.
  connections.delete(idle);
  idle.destroy();
}

async function listen(server: Server, { flag, host, port }: ListenAddress): Promise<void> {
  // Without a host Node takes :: for both families, and 0.0.0.0 on a machine without IPv6.
  server.listen({ port, ...(host === undefined ? {} : { host }) });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const where = `${host?.includes(':') === true ? `[${host}]` : (host ?? '')}:${port}`;
    throw new Error(`can't listen on ${where}, choose another ${flag}: ${why}`, { cause });
  }
}

async function answerTo(method: string, url: string, options: ListenerOptions): Promise<Answer> {
  const { paths, log } = options;
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET and HEAD are answered');
  const answer = paths.get(url.replace(/\?.*/s, ''));
  if (answer === undefined) return plain(404, `here is ${[...paths.keys()].join(' and ')}`);
  try {
    return await answer();
  } catch (error) {
    log('error', 'a probe or a scrape could not be answered', { url, error });
    return plain(500, 'this could not be answered; the log says why');
  }
}

/** One line of text. */
export function plain(status: number, line: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', text: `${line}\n` };
}

function send(response: ServerResponse, answer: Answer, closing: boolean): void {
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': Buffer.byteLength(answer.text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(closing ? { connection: 'close' } : {}),
  });
  // Of a HEAD, Node keeps the body back.
  response.end(answer.text);
}
