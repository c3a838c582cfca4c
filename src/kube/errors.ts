// What can go wrong between the operator and the API server, in the three kinds that call for
// different answers. It decides nothing about when to try again.

/**
 * retryable: the same request may succeed later (network, 401, 408, 410, 429, 5xx, cut answers).
 * conflict: the object is not what the request assumed (409, 412, a failed JSON patch test).
 * terminal: the request can't succeed as it is (other 4xx), or its caller gave it up.
 */
export type KubeErrorKind = 'retryable' | 'conflict' | 'terminal';

/** One of the causes in a Status' details: a reason, what it says, and the field it is about. */
export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  readonly field?: string;
}

/** meta/v1 Status, as far as it is read here. */
export interface StatusBody {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly causes?: readonly StatusCause[];
    readonly retryAfterSeconds?: number;
  };
}

export interface KubeErrorFields {
  readonly kind: KubeErrorKind;
  readonly status: number;
  readonly reason: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** A request that failed. The message is the server's own where there was an answer. */
export class KubeError extends Error {
  readonly kind: KubeErrorKind;
  /** The HTTP status, or the code of an ERROR event in a watch; 0 when there was no answer. */
  readonly status: number;
  /**
   * The Status' reason (NotFound, AlreadyExists, Conflict, Expired and so on); Network, Timeout,
   * Aborted, Malformed, TooLarge, Credentials and BadRequest (no answer) are the client's own.
   */
  readonly reason: string;
  readonly causes: readonly StatusCause[];
  /** How long the server asks to be left alone, from the Status or the Retry-After header. */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, fields: KubeErrorFields) {
    super(message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.name = 'KubeError';
    this.kind = fields.kind;
    this.status = fields.status;
    this.reason = fields.reason;
    this.causes = fields.causes ?? [];
    this.retryAfterSeconds = fields.retryAfterSeconds;
  }
}

/** True for 404: the object, its namespace or its resource isn't there. */
export function isNotFound(error: unknown): error is KubeError {
  return error instanceof KubeError && error.status === 404;
}

/** True for 409, 412 and failed patch tests: look at the live object and plan again. */
export function isConflict(error: unknown): error is KubeError {
  return error instanceof KubeError && error.kind === 'conflict';
}

/** True for 410: the resourceVersion or continue token is too old; only a new list helps. */
export function isExpired(error: unknown): error is KubeError {
  return error instanceof KubeError && (error.status === 410 || error.reason === 'Expired');
}

/**
 * Why a request failed, in one word: the server's own reason, Network where no answer came,
 * NotLeading where it was not sent, and Other for what is no failure of a request.
 */
export function failureReason(error: unknown): string {
  if (!(error instanceof KubeError)) return 'Other';
  if (error.status === 0) return error.reason === 'NotLeading' ? 'NotLeading' : 'Network';
  return error.reason === '' ? 'Other' : error.reason;
}

/**
 * The error for an answer of the server. `testedPatch` says that the request was a JSON patch with
 * a `test` operation: the API server answers a failed one with 422, a generic sentence and no
 * causes, where a rejected object has causes, and a webhook's denial its name.
 */
export function errorFromStatus(status: number, body: StatusBody, testedPatch: boolean): KubeError {
  const causes = body.details?.causes ?? [];
  const message = body.message ?? `the server answered ${status}`;
  const denied = message.startsWith('admission webhook ');
  const failedPatchTest = testedPatch && status === 422 && causes.length === 0 && !denied;
  return new KubeError(message, {
    kind: failedPatchTest ? 'conflict' : kindOfStatus(status),
    status,
    reason: body.reason ?? '',
    causes,
    retryAfterSeconds: body.details?.retryAfterSeconds,
  });
}

function kindOfStatus(status: number): KubeErrorKind {
  if (status === 409 || status === 412) return 'conflict';
  if (status === 401 || status === 408 || status === 410 || status === 429 || status >= 500) {
    return 'retryable';
  }
  return 'terminal';
}
