// The connections to the API server: how many there are, how they are made, and the last moment
// before a request's bytes leave by one. It knows nothing of what is sent.
import { createSecureContext } from 'node:tls';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import type { TlsMaterial } from './config.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** Well under the 90 s after which the API server closes an idle connection. */
const KEEP_ALIVE_MS = 30_000;
/** For requests, more than all workers together can use. A watch keeps one beside them. */
const MAX_CONNECTIONS = 64;

/** Apart, so that no request waits for the end of a watch, however many there are. */
export interface Agents {
  readonly bounded: Agent;
  /** Of watches, and of requests that go ahead. */
  readonly unbounded: Agent;
}

/** Time is bounded by deadlines, so undici's own bounds are off, except that on connecting. */
export function createAgents(tls: TlsMaterial): Agents {
  const options: Agent.Options = {
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: createConnector(tls),
  };
  return {
    bounded: new Agent({ ...options, connections: MAX_CONNECTIONS }),
    unbounded: new Agent(options),
  };
}

/**
 * The certificates are read once, not for each connection, and a connection goes on with the TLS
 * session of one before: where many objects are rolled back at once, handshakes are most of it.
 */
function createConnector(tls: TlsMaterial): buildConnector.connector {
  const connect = buildConnector({
    ...tls,
    secureContext: createSecureContext(tls),
    allowH2: false,
    timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  // undici itself holds the newest session weakly, so that it is gone at the next collection.
  const kept: { session?: unknown } = {};
  return (options, callback) =>
    connect(options, (...result) => {
      result[1]?.on('session', (session: unknown) => (kept.session = session));
      callback(...result);
    });
}

/**
 * Asks why a request must not leave in the moment in which undici writes it to its socket: before
 * that it may have waited for one of the connections, or for a new one to be opened.
 */
export function asking(refusal: () => Error | null): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context: unknown) {
        // What is thrown here is what the request fails with, and its connection stays.
        const error = refusal();
        if (error !== null) throw error;
        handler.onRequestStart?.(controller, context);
      },
      onResponseStart: (...start) => handler.onResponseStart?.(...start),
      onResponseData: (...data) => handler.onResponseData?.(...data),
      onResponseEnd: (...end) => handler.onResponseEnd?.(...end),
      onResponseError: (...failure) => handler.onResponseError?.(...failure),
    });
}
