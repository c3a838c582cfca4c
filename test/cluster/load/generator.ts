// Sends HTTP requests at a fixed rate, whether or not earlier ones were answered (an open loop),
// over connections that are kept. It ends by itself; what came of the requests is in report.ts.

import { Pool } from 'undici';
import type { Dispatcher } from 'undici';

import { LoadStatistics, UNKNOWN_VERSION } from './report.ts';
import type { LoadReport } from './report.ts';

const MAX_SECONDS = 3_600;
const TICK_MS = 10;

/** What to send. */
export interface LoadOptions {
  /** For example http://127.0.0.1:8000/; https is not spoken. */
  readonly url: string;
  /** The Host header, where a gateway tells its routes apart by it; the URL's own by default. */
  readonly hostHeader?: string;
  /** 0 < requestsPerSecond <= 10,000. */
  readonly requestsPerSecond: number;
  /** 0 < durationSeconds <= 3,600; the load ends then at the latest. */
  readonly durationSeconds: number;
  /** Requests under way at once, and so connections; one that is due beyond that is skipped. */
  readonly maxInFlight?: number;
  /** A request without a whole answer after about this long is a failure. */
  readonly timeoutMs?: number;
  /** Monotonic. */
  readonly nowMs?: () => number;
}

/** Load that is on its way. */
export interface Load {
  /** What was counted so far. */
  readonly snapshot: () => LoadReport;
  /** Sends nothing more, waits for the requests under way, and resolves with the final report. */
  readonly stop: () => Promise<LoadReport>;
  /** Resolves with the final report once the load has ended, by itself or by stop(). */
  readonly done: Promise<LoadReport>;
}

/** Starts to send. @throws RangeError when an option is out of its range. */
export function startLoad(options: LoadOptions): Load {
  const { requestsPerSecond, durationSeconds, maxInFlight = 100, timeoutMs = 10_000 } = options;
  const nowMs = options.nowMs ?? ((): number => performance.now());
  checkRange('requestsPerSecond', requestsPerSecond, 10_000);
  checkRange('durationSeconds', durationSeconds, MAX_SECONDS);
  checkRange('maxInFlight', maxInFlight, 10_000);
  const url = new URL(options.url);
  const pool = new Pool(url.origin, {
    connections: maxInFlight,
    pipelining: 1,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: timeoutMs },
  });
  const request: Dispatcher.DispatchOptions = {
    path: url.pathname + url.search,
    method: 'GET',
    headers: options.hostHeader === undefined ? {} : { host: options.hostHeader },
  };
  const statistics = new LoadStatistics(Math.ceil(durationSeconds));
  const startedMs = nowMs();
  const ageMs = (): number => nowMs() - startedMs;
  const ended = Promise.withResolvers<LoadReport>();
  let decided = 0;
  let stopping = false;

  const endWhenIdle = (): void => {
    if (!stopping || statistics.inFlight > 0) return;
    pool.close().then(() => {
      ended.resolve(statistics.report());
    }, ended.reject);
  };
  const send = (): void => {
    const sentMs = ageMs();
    statistics.begun();
    pool.dispatch(
      request,
      new Exchange((outcome) => {
        statistics.ended(sentMs, ageMs() - sentMs, outcome);
        endWhenIdle();
      }),
    );
  };
  const stop = (): Promise<LoadReport> => {
    if (!stopping) {
      stopping = true;
      clearInterval(timer);
      endWhenIdle();
    }
    return ended.promise;
  };
  const tick = (): void => {
    const elapsedSeconds = Math.min(ageMs() / 1000, durationSeconds);
    const due = Math.floor(elapsedSeconds * requestsPerSecond + 1e-9) - decided;
    decided += due;
    const sendable = Math.min(due, Math.floor(maxInFlight) - statistics.inFlight);
    for (let sent = 0; sent < sendable; sent += 1) send();
    statistics.skip(due - sendable);
    if (elapsedSeconds >= durationSeconds) void stop();
  };
  const timer = setInterval(tick, TICK_MS);
  return { snapshot: () => statistics.report(), stop, done: ended.promise };
}

function checkRange(name: string, value: number, maximum: number): void {
  if (value > 0 && value <= maximum) return;
  throw new RangeError(`${name}: expected a number above 0 and up to ${maximum}, got ${value}`);
}

type EndOfRequest = Parameters<LoadStatistics['ended']>[2];

/** Follows one request to its end, without keeping its body. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #end: (outcome: EndOfRequest) => void;
  #status = 0;
  #version = UNKNOWN_VERSION;

  constructor(end: (outcome: EndOfRequest) => void) {
    this.#end = end;
  }

  // undici takes an object for a handler by this method.
  onRequestStart(): void {}

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status;
    const version = headers['x-version'];
    if (typeof version === 'string') this.#version = version;
  }

  onResponseData(): void {}

  onResponseEnd(): void {
    this.#end({ kind: 'answer', version: this.#version, status: this.#status });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
    this.#end({ kind: 'failure', version: this.#version, code });
  }
}
