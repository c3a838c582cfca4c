// Cuts the body of a watch into events, one JSON document a line. It opens nothing and knows
// nothing of time.
import { errorFromStatus, KubeError, type StatusBody } from './errors.ts';

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

/** etcd takes 1.5 MiB; JSON may write that several times as long. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024;

/**
 * Calls `onEvent` for every event and returns when the body has ended. Throws a KubeError for an
 * ERROR event, for an end in the middle of a line and for what is no event; passes on what the
 * body or `onEvent` throws.
 */
export async function readWatch(
  body: AsyncIterable<Uint8Array>,
  onEvent: (type: WatchEventType, object: unknown) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
      handleLine(rest + text.slice(start, end), onEvent);
      rest = '';
      start = end + 1;
    }
    rest += text.slice(start);
    if (rest.length > MAX_LINE_LENGTH) throw malformed('an event of the watch is too long');
  }
  if (rest.trim() !== '') throw malformed('the watch was cut in the middle of an event');
}

function handleLine(line: string, onEvent: (type: WatchEventType, object: unknown) => void): void {
  if (line.trim() === '') return;
  const { type, object } = parseEvent(line);
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      onEvent(type, object);
      return;
    case 'ERROR': {
      const status: StatusBody = isRecord(object) ? object : {};
      throw errorFromStatus(status.code ?? 500, status, false);
    }
    default:
      throw malformed(`the watch sent an event of type ${JSON.stringify(type)}`);
  }
}

function parseEvent(line: string): { readonly type: unknown; readonly object: unknown } {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw malformed('an event of the watch is no JSON', cause);
  }
  if (!isRecord(event)) throw malformed('an event of the watch is no JSON object');
  return { type: event['type'], object: event['object'] };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(message: string, cause?: unknown): KubeError {
  return new KubeError(message, { kind: 'retryable', status: 0, reason: 'Malformed', cause });
}
