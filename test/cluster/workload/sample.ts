// The sample workload as an HTTP server: work on every path but the few it reserves, health,
// metrics, PQC and mesh status, and a change of behaviour at run time. It reads no environment and
// never ends the process itself.

import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

import { Ballast } from './ballast.ts';
import { Behaviour } from './behaviour.ts';
import { createMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { SettingsError, settingsFromJson } from './settings.ts';
import type { Settings } from './settings.ts';

const PEERS = ['peer-1', 'peer-2', 'peer-3'];
const MAX_BODY_BYTES = 65_536;

/** The time the sample lives by; tests give it one of their own. */
export interface SampleClock {
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly after: (delayMs: number, run: () => void) => void;
}

/** What a pod is made of. */
export interface SampleOptions {
  readonly settings: Settings;
  /** Reported in `x-version` and in the body. */
  readonly version: string;
  /** Reported in `x-pod` and in the body. */
  readonly pod: string;
  readonly clock: SampleClock;
  /** Called when the settings say that the process crashes. */
  readonly crash: () => void;
}

/** A running sample; the caller lets `server` listen. */
export class Sample {
  readonly server: Server;
  readonly #options: SampleOptions;
  readonly #behaviour: Behaviour;
  readonly #metrics: Metrics;
  readonly #ballast = new Ballast();
  #draining = false;
  #ending = false;
  #inFlight = 0;

  constructor(options: SampleOptions) {
    this.#options = options;
    this.#behaviour = new Behaviour(options.settings, options.clock.nowMs);
    this.#metrics = createMetrics(this.#behaviour, PEERS.length);
    this.server = createServer((request, response) => {
      this.#inFlight += 1;
      response.once('close', () => {
        this.#inFlight -= 1;
        this.#closeWhenIdle();
      });
      this.#route(request, response).catch((error: unknown) => {
        const status = error instanceof SettingsError ? 400 : 500;
        this.#answerJson(response, status, {
          error: error instanceof Error ? error.message : String(error),
        });
      });
    });
  }

  /** The settings in force. */
  get settings(): Settings {
    return this.#behaviour.settings;
  }

  /** Memory held on purpose, in bytes. */
  get ballastBytes(): number {
    return this.#ballast.heldBytes;
  }

  /** Does what only time triggers: memory growth and the crash. Call it several times a second. */
  tick(): void {
    this.#ballast.hold(this.#behaviour.memoryBytes());
    if (this.#behaviour.isCrashDue()) this.#options.crash();
  }

  /** From now on each answer ends its connection, so that clients move on to another pod. */
  drain(): void {
    this.#draining = true;
  }

  /** Takes no new connection, finishes what is in flight, then closes all and calls `ended`. */
  end(ended: () => void): void {
    this.drain();
    this.#ending = true;
    this.server.close(ended);
    this.#closeWhenIdle();
  }

  /** Node's own close() waits for ever for a connection that never sent a request. */
  #closeWhenIdle(): void {
    if (this.#ending && this.#inFlight === 0) this.server.closeAllConnections();
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    switch (path) {
      case '/health':
        return this.#answerHealth(response);
      case '/metrics': {
        const text = await this.#metrics.text();
        return this.#answer(response, 200, this.#metrics.contentType, text);
      }
      case '/security/pqc/status': {
        const fallback = this.settings.pqcFallback;
        return this.#answerJson(response, 200, { enabled: !fallback, fallback_enabled: fallback });
      }
      case '/mesh/peers':
        return this.#answerJson(response, 200, { count: PEERS.length, peers: PEERS });
      case '/behaviour':
        return this.#changeBehaviour(request, response);
      default:
        return this.#work(request, response);
    }
  }

  #work(request: IncomingMessage, response: ServerResponse): void {
    const { clock } = this.#options;
    const startedMs = clock.nowMs();
    const { failed, latencyMs } = this.#behaviour.nextRequest();
    const status = failed ? 500 : 200;
    this.#metrics.shookHands();
    const finish = (): void => {
      // Counted before the answer leaves: whoever has read the answer finds it in the metrics.
      const durationSeconds = (clock.nowMs() - startedMs) / 1000;
      this.#metrics.answered(request.method ?? 'GET', status, durationSeconds);
      this.#answerJson(response, status, failed ? { error: 'injected' } : {});
    };
    if (latencyMs > 0) clock.after(latencyMs, finish);
    else finish();
  }

  #answerHealth(response: ServerResponse): void {
    const unhealthy = this.settings.unhealthy;
    this.#answerJson(response, unhealthy ? 503 : 200, { status: unhealthy ? 'failing' : 'ok' });
  }

  async #changeBehaviour(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') {
      response.setHeader('allow', 'POST');
      return this.#answerJson(response, 405, { error: 'POST a JSON object of settings' });
    }
    this.#behaviour.change(settingsFromJson(await readBody(request)));
    this.#answerJson(response, 200, { settings: this.settings });
  }

  #answerJson(response: ServerResponse, status: number, body: object): void {
    const { version, pod } = this.#options;
    this.#answer(
      response,
      status,
      'application/json',
      JSON.stringify({ version, pod, ...body }) + '\n',
    );
  }

  #answer(response: ServerResponse, status: number, type: string, body: string): void {
    const { version, pod } = this.#options;
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'x-version': version,
      'x-pod': pod,
      ...(this.#draining ? { connection: 'close' } : {}),
    });
    response.end(body);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new SettingsError(`more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
