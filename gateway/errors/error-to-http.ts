// The one translation of errors on this edge: DomainError -> HTTP status and OpenAI's error object. Clients get the code and
// safe text; the cause stays for the log.
import { HTTPException } from 'hono/http-exception';
import { DomainError, type ErrorCode, toDomainError } from '../../infra/errors/domain-error.ts';
import { asRedisError } from '../../infra/redis/script-errors.ts';

/** OpenAI's shape: what its clients parse, in a body or in an SSE `error` event. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: ErrorCode;
  };
}

interface HttpKind {
  readonly status: number;
  readonly type: string;
}

const refused = (status: number): HttpKind => ({ status, type: 'invalid_request_error' });
const broken = (status: number): HttpKind => ({ status, type: 'server_error' });

const HTTP_KINDS: Readonly<Record<ErrorCode, HttpKind>> = {
  invalid_request: refused(400),
  unsupported_parameter: refused(400),
  context_length_exceeded: refused(400),
  payload_too_large: refused(413),
  unsupported_media_type: refused(415),
  invalid_api_key: { status: 401, type: 'authentication_error' },
  insufficient_scope: { status: 403, type: 'permission_error' },
  model_not_found: refused(404),
  not_found: refused(404),
  method_not_allowed: refused(405),
  conflict: refused(409),
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error' },
  queue_full: { status: 429, type: 'rate_limit_error' },
  // 499 (nginx: client closed request) is not retried by clients, as 409 and 5xx would be.
  cancelled: refused(499),
  unavailable: broken(503),
  fenced: broken(503),
  timeout: broken(504),
  generation_failed: broken(500),
  native_error: broken(500),
  bad_config: broken(500),
  bad_checkpoint: broken(500),
  bad_pack: broken(500),
  bad_tokenizer: broken(500),
  internal: broken(500),
};

/** Codes whose message may name files or machines, which only operators may see. */
const PRIVATE: ReadonlySet<ErrorCode> = new Set([
  'bad_config',
  'bad_checkpoint',
  'bad_pack',
  'bad_tokenizer',
  'native_error',
  'fenced',
  'internal',
]);

/** HTTP status of an error code. */
export function httpStatus(code: ErrorCode): number {
  return HTTP_KINDS[code].status;
}

/** OpenAI's type of an error code. */
export function errorType(code: ErrorCode): string {
  return HTTP_KINDS[code].type;
}

/** What a client may read. */
export function publicMessage(error: DomainError): string {
  return PRIVATE.has(error.code) ? 'An internal error occurred.' : error.message;
}

/** OpenAI's error object for an error. */
export function errorBody(error: DomainError): ErrorBody {
  return {
    error: {
      message: publicMessage(error),
      type: HTTP_KINDS[error.code].type,
      param: error.param ?? null,
      code: error.code,
    },
  };
}

/** Every 503 names a time: clients that wait for one otherwise retry at once. */
const RETRY_UNAVAILABLE_SECONDS = 5;

/** Headers that go with an error: when to retry, how to authenticate, what is allowed (RFC 9110 sections 10.2.3, 11.6.1, 10.2.1). */
export function errorHeaders(error: DomainError): Record<string, string> {
  const headers: Record<string, string> = {};
  const fallback = httpStatus(error.code) === 503 ? RETRY_UNAVAILABLE_SECONDS : undefined;
  const retryAfterSeconds = error.retryAfterSeconds ?? fallback;
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.ceil(retryAfterSeconds));
  if (error.allowedMethods !== undefined) headers['allow'] = error.allowedMethods.join(', ');
  if (error.code === 'invalid_api_key') headers['www-authenticate'] = 'Bearer';
  return headers;
}

/** Anything thrown below the app, as a DomainError. Hono's own refusals carry plain text, which is not the API's shape. */
export function thrownToDomainError(thrown: unknown): DomainError {
  if (!(thrown instanceof HTTPException)) return toDomainError(asRedisError(thrown));
  const code: ErrorCode = thrown.status < 500 ? 'invalid_request' : 'internal';
  return new DomainError(code, thrown.message || 'The request was refused.', { cause: thrown });
}

/** Whether an unknown text, read from Redis, is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(HTTP_KINDS, text);
}
