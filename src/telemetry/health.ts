// The HTTP server for probes and scrapes: /healthz, /readyz and /metrics. It judges nothing: what
// is not ready, and what the metrics are, it asks for.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from './metrics.ts';

export interface HealthOptions {
  /** Address to listen on: '0.0.0.0', '::' or '127.0.0.1'. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Names of what is not ready; none when the operator is. */
  readonly ready: () => readonly string[];
  readonly metrics: Pick<Metrics, 'exposition'>;
  readonly log: Log;
}

export interface HealthServer {
  readonly port: number;
  /** Takes no more requests; resolves when those under way were answered. */
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const PLAIN = 'text/plain; charset=utf-8';

/** Rejects when the address can't be listened on. */
export async function startHealthServer(options: HealthOptions): Promise<HealthServer> {
  const { host, port, log } = options;
  let closing = false;
  const underWay = new Set<ServerResponse>();
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
        if (underWay.size === 0) allAnswered();
      });
      void answerTo(request.method ?? '', request.url ?? '', options).then((answer) => {
        send(response, answer, closing);
      });
    },
  );
  await listen(server, host, port);
  server.on('error', (error) => log('error', 'the health server failed', { error }));
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

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`can't listen on ${host}:${port}, choose another --listen address: ${why}`, {
      cause,
    });
  }
}

async function answerTo(method: string, url: string, options: HealthOptions): Promise<Answer> {
  const { ready, metrics, log } = options;
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET and HEAD are answered');
  try {
    switch (url.replace(/\?.*/s, '')) {
      case '/healthz':
        return plain(200, 'ok');
      case '/readyz': {
        const unready = ready();
        if (unready.length === 0) return plain(200, 'ok');
        return plain(503, `not ready: ${unready.join(', ')}`);
      }
      case '/metrics': {
        const { contentType, text } = await metrics.exposition();
        return { status: 200, contentType, text };
      }
      default:
        return plain(404, 'there are /healthz, /readyz and /metrics');
    }
  } catch (error) {
    log('error', 'a probe or a scrape could not be answered', { url, error });
    return plain(500, 'this could not be answered; the log says why');
  }
}

function plain(status: number, line: string): Answer {
  return { status, contentType: PLAIN, text: `${line}\n` };
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
