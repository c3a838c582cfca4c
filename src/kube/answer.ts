// Reads an answer of the API server: its text within a bound, the JSON in it, or the error that it
// stands for.
import type { Dispatcher } from 'undici';
import { errorFromStatus, KubeError, type StatusBody } from './errors.ts';

/** A page of 500 objects of 128 KiB each. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Throws a KubeError when it is longer than the bound. */
export async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > MAX_RESPONSE_BYTES) {
      throw new KubeError(`the answer is longer than ${MAX_RESPONSE_BYTES} bytes`, {
        kind: 'terminal',
        status: 0,
        reason: 'TooLarge',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Throws a KubeError for what is no JSON. */
export function parseBody<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new KubeError('the answer is no complete JSON document', {
      kind: 'retryable',
      status: 0,
      reason: 'Malformed',
      cause,
    });
  }
}

/** The error for an answer of 300 or above; `testedPatch` as errorFromStatus has it. */
export function errorOf(
  response: Dispatcher.ResponseData,
  text: string,
  testedPatch: boolean,
): KubeError {
  const header = Number(response.headers['retry-after']);
  const status = parseStatus(text);
  const details = Number.isFinite(header)
    ? { retryAfterSeconds: header, ...status.details }
    : { ...status.details };
  return errorFromStatus(response.statusCode, { ...status, details }, testedPatch);
}

/** What stands between us and the API server may answer in HTML; its words are kept, in part. */
function parseStatus(text: string): StatusBody {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    // Not JSON: the text itself is the message.
  }
  return text.trim() === '' ? {} : { message: text.trim().slice(0, 1024) };
}
