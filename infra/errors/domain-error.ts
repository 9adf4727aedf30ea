// The one error type that crosses parts of Conclave. Each edge translates once: Lua -> code, native -> code,
// code -> HTTP/SSE. `message` is safe to show to the client; what is not goes into `cause`, which only logs see.

/** Every way in which Conclave can refuse or fail. */
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
  // The files an operator gave us.
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

/** What an error may carry beside its message. */
export interface ErrorDetails {
  /** The field, file, tensor or option at fault. */
  readonly param?: string;
  /** Seconds after which a retry can succeed. */
  readonly retryAfterSeconds?: number;
  /** The methods that the path has, for a method that it lacks. */
  readonly allowedMethods?: readonly string[];
  /** Log-only: whatever was caught. */
  readonly cause?: unknown;
}

/** An expected failure with a code from the closed union above. */
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

/** Turns anything thrown into a DomainError; what is not one becomes `internal` with a text that gives nothing away. */
export function toDomainError(thrown: unknown): DomainError {
  if (thrown instanceof DomainError) return thrown;
  return new DomainError('internal', 'An internal error occurred.', { cause: thrown });
}
