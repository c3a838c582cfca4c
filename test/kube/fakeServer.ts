// An HTTP server on 127.0.0.1 that answers what the test tells it to, request by request, in place
// of an API server. It knows nothing of Kubernetes.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { KubeConnection } from '../../src/kube/config.ts';
import { createTransport, type KubeTransport } from '../../src/kube/transport.ts';
import type { Clock } from '../../src/runtime/clock.ts';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly response: ServerResponse;
}

export class FakeServer {
  readonly #tls: { readonly key: string; readonly cert: string } | undefined;
  readonly #server;
  readonly #waiting: Received[] = [];
  readonly #takers: ((received: Received) => void)[] = [];
  readonly #open = new Set<Socket>();
  /** Connections that were ever opened. */
  connections = 0;
  /** Answers requests in place of `next`, while it is set. */
  answer: ((received: Received) => void) | undefined;

  /** With `tls`, PEM, it speaks HTTPS. */
  constructor(tls?: { readonly key: string; readonly cert: string }) {
    this.#tls = tls;
    const receive = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#receive(request, response);
    this.#server = tls === undefined ? createServer(receive) : createTlsServer(tls, receive);
  }

  /** On a free port unless one is said. */
  async start(port = 0): Promise<void> {
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
    });
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get url(): string {
    const scheme = this.#tls === undefined ? 'http' : 'https';
    return `${scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next request that nobody took yet. */
  next(): Promise<Received> {
    const received = this.#waiting.shift();
    if (received !== undefined) return Promise.resolve(received);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Requests that came and were not taken. */
  get untaken(): number {
    return this.#waiting.length;
  }

  /** Cuts all connections, as a server that is killed does. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      // The client went away in the middle of its request: there is nobody to answer.
      return;
    }
    const url = new URL(request.url ?? '/', this.url);
    const received: Received = {
      method: request.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
      response,
    };
    if (this.answer !== undefined) return this.answer(received);
    const taker = this.#takers.shift();
    if (taker === undefined) this.#waiting.push(received);
    else taker(received);
  }
}

/** Answers with a JSON document. */
export function reply(received: Received, status: number, body: unknown): void {
  received.response.writeHead(status, { 'content-type': 'application/json' });
  received.response.end(JSON.stringify(body));
}

/** Answers with a meta/v1 Status. */
export function replyStatus(
  received: Received,
  code: number,
  reason: string,
  message: string,
  details: unknown = {},
): void {
  reply(received, code, { kind: 'Status', status: 'Failure', code, reason, message, details });
}

/** Begins the answer to a watch: its headers go out at once, as the API server's do. */
export function beginWatch(received: Received): void {
  received.response.writeHead(200, { 'content-type': 'application/json' });
  received.response.flushHeaders();
}

/** Sends one event of a watch that has begun. */
export function sendEvent(received: Received, type: string, object: unknown): void {
  received.response.write(`${JSON.stringify({ type, object })}\n`);
}

/** A connection to the server with the token that `token` returns at each request. */
export function connectionTo(
  server: FakeServer,
  token: () => Promise<string> = () => Promise.resolve('secret'),
): KubeConnection & { invalidations: number } {
  return {
    serverUrl: server.url,
    invalidations: 0,
    async credentials() {
      return { headers: { authorization: `Bearer ${await token()}` }, tls: {} };
    },
    invalidate() {
      this.invalidations++;
    },
  };
}

/** A transport to the server whose time is the clock's. */
export function transportTo(
  server: FakeServer,
  clock: Clock,
  connection: KubeConnection = connectionTo(server),
): KubeTransport {
  return createTransport({ connection, clock, userAgent: 'x0tta/test' });
}
