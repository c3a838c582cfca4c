// Writes events.k8s.io/v1 Events about objects, one at a time from a bounded queue. Nobody waits
// for an Event and none is tried twice: what must survive stands in the status.
import { API_VERSION, KIND } from '../api/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { EventPort, EventRecord } from './port.ts';
import { apiVersionOf, events, resourcePath } from './resources.ts';
import type { KubeClient } from './transport.ts';

export interface EventRecorder extends EventPort {
  /** Takes no more and resolves when those that wait are sent, or failed. */
  stop(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears of each Event that is not written, for whatever reason. */
  readonly onDropped: () => void;
  /** The pod's name, up to 128 bytes. */
  readonly reportingInstance: string;
}

const REPORTING_CONTROLLER = 'x0tta.io/operator';

const MAX_WAITING = 256;
const TIMEOUT_MS = 5_000;
const NOTE_BYTES = 1024;
const WORD_BYTES = 128;
/** A name has 253 characters; the suffix takes up to 30 of them. */
const NAME_BYTES = 220;

/** No whole object, which is large. */
interface Waiting {
  readonly event: EventRecord;
  readonly regarding: {
    readonly apiVersion: string;
    readonly kind: string;
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
  };
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const waiting: Waiting[] = [];
  let sending: Promise<void> = Promise.resolve();
  let isSending = false;
  let stopped = false;
  let sequence = 0;
  const send = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await create(options, next, sequence++);
    }
    isSending = false;
  };
  return {
    tell(object, event) {
      if (stopped || waiting.length >= MAX_WAITING) {
        options.onDropped();
        options.log('warn', 'an Event is dropped', { reason: event.reason, note: event.note });
        return;
      }
      const { name, namespace, uid } = object.metadata;
      const regarding = { apiVersion: API_VERSION, kind: KIND, name, namespace, uid };
      waiting.push({ event, regarding });
      if (isSending) return;
      isSending = true;
      sending = send();
    },
    async stop() {
      stopped = true;
      await sending;
    },
  };
}

async function create(
  options: EventRecorderOptions,
  { event, regarding }: Waiting,
  sequence: number,
): Promise<void> {
  const { namespace } = regarding;
  const stampMs = options.clock.nowMs();
  const suffix = `${Math.trunc(stampMs).toString(16)}.${sequence.toString(16)}`;
  const subject = cutToBytes(regarding.name, NAME_BYTES).replace(/[.-]+$/, '');
  const name = `${subject}.${suffix}`;
  try {
    await options.client.request({
      method: 'POST',
      path: resourcePath(events, namespace),
      body: {
        apiVersion: apiVersionOf(events),
        kind: events.kind,
        metadata: { namespace, name },
        eventTime: microTime(stampMs),
        type: event.type,
        reason: cutToBytes(event.reason, WORD_BYTES),
        action: cutToBytes(event.action, WORD_BYTES),
        note: cutToBytes(event.note, NOTE_BYTES),
        regarding,
        reportingController: REPORTING_CONTROLLER,
        reportingInstance: cutToBytes(options.reportingInstance, WORD_BYTES),
      },
      timeoutMs: TIMEOUT_MS,
    });
  } catch (error) {
    options.onDropped();
    const message = error instanceof Error ? error.message : String(error);
    options.log('warn', 'an Event could not be written', { reason: event.reason, error: message });
  }
}

/** meta/v1 MicroTime: RFC 3339 with exactly six digits of a second. */
export function microTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '000Z');
}

/** The longest beginning of whole characters within so many bytes of UTF-8. */
function cutToBytes(text: string, maxBytes: number): string {
  const buffer = new Uint8Array(maxBytes);
  const { read } = new TextEncoder().encodeInto(text, buffer);
  return text.slice(0, read);
}
