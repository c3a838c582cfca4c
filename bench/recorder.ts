// A proxy in front of Prometheus that notes when each answer was handed over, so that a bench knows
// what the operator knew and since when. It changes nothing.
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer, text } from 'node:stream/consumers';

export interface RecordedAnswer {
  readonly path: string;
  readonly query: string;
  /** When its last byte was handed over: ms of this machine's clock, with fractions. */
  readonly atMs: number;
}

export interface Recorder {
  readonly url: string;
  /** The newest 10,000. */
  readonly answers: RecordedAnswer[];
  close(): Promise<void>;
}

const mostAnswers = 10_000;

/** This machine's clock with fractions of a millisecond. */
export function preciseNowMs(): number {
  return performance.timeOrigin + performance.now();
}

export async function startRecorder(prometheusUrl: string): Promise<Recorder> {
  const answers: RecordedAnswer[] = [];
  const server = createServer((from, to) => {
    void text(from).then((body) => {
      const path = from.url ?? '';
      const forward = request(
        prometheusUrl + path,
        { method: from.method ?? 'GET', headers: from.headers },
        (answer) => {
          void buffer(answer).then((bytes) => {
            to.writeHead(answer.statusCode ?? 502, answer.headers);
            to.end(bytes, () => {
              const query = new URLSearchParams(body).get('query') ?? '';
              answers.push({ path, query, atMs: preciseNowMs() });
              if (answers.length > mostAnswers) answers.splice(0, mostAnswers / 2);
            });
          });
        },
      );
      forward.on('error', () => to.destroy());
      forward.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    answers,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
