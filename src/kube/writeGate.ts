// Lets writes through while this operator leads, and none from the moment on in which the gate is
// closed. Whether one may leave is asked at its socket (transport.ts); reads pass at any time.
import type { KubeClient, KubeRequest } from './transport.ts';

export interface WriteGate {
  /** The client whose writes are refused as NotLeading when they must not leave. */
  readonly client: KubeClient;
  /**
   * From now on no write leaves. Resolves when those that left before have ended; how long that
   * takes is bounded by their own time-outs alone.
   */
  close(): Promise<void>;
}

/** `mayWrite` is asked for each write in the moment of sending. */
export function createWriteGate(client: KubeClient, mayWrite: () => boolean): WriteGate {
  const underWay = new Set<symbol>();
  const allEnded = Promise.withResolvers<void>();
  let closed = false;
  const write = async <T>(request: KubeRequest): Promise<T> => {
    const sent = Symbol();
    const mayBeSent = (): boolean => {
      const may = !closed && mayWrite();
      if (may) underWay.add(sent);
      return may;
    };
    try {
      return await client.request<T>({ ...request, mayBeSent });
    } finally {
      underWay.delete(sent);
      if (closed && underWay.size === 0) allEnded.resolve();
    }
  };
  return {
    client: {
      request: <T>(request: KubeRequest) =>
        request.method === 'GET' ? client.request<T>(request) : write<T>(request),
      watch: (...watch) => client.watch(...watch),
    },
    close() {
      closed = true;
      if (underWay.size === 0) allEnded.resolve();
      return allEnded.promise;
    },
  };
}
