// The one error type that crosses module boundaries. Each edge translates once: Lua -> code, native -> code,
// code -> HTTP/SSE. `message` is safe to show to a client; sensitive detail goes into `cause`, which is only logged.

/** Closed union of error codes. */
export type ErrorCode =
  // The request (HTTP 4xx).
  | 'invalid_request'
  | 'unsupported_parameter'
  | 'context_length_exceeded'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'method_not_allowed'
  | 'invalid_api_key'
  | 'insufficient_scope'
  | 'model_not_found'
  | 'not_found'
  | 'conflict'
  | 'rate_limit_exceeded'
  | 'queue_full'
  // The operator's files.
  | 'bad_config'
  | 'bad_checkpoint'
  | 'bad_pack'
  | 'bad_tokenizer'
  // The running system.
  | 'unavailable'
  | 'timeout'
  | 'cancelled'
  | 'fenced'
  | 'generation_failed'
  | 'native_error'
  | 'internal';

/** Optional fields of a DomainError. */
export interface ErrorDetails {
  /** The field, file, tensor or option at fault. */
  readonly param?: string;
  /** Seconds after which a retry can succeed. */
  readonly retryAfterSeconds?: number;
  /** Methods that the path supports; set for `method_not_allowed`. */
  readonly allowedMethods?: readonly string[];
  /** The original error; logged, never sent to a client. */
  readonly cause?: unknown;
}

/** An expected failure, identified by its code. */
export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly allowedMethods: readonly string[] | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'DomainError';
    this.code = code;
    this.param = details.param;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.allowedMethods = details.allowedMethods;
  }
}

/** Converts any thrown value into a DomainError. Unexpected errors become `internal`, with a message that reveals nothing. */
export function toDomainError(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  return new DomainError('internal', 'An internal error occurred.', { cause: thrown });
}
