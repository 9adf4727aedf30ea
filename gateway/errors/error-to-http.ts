// The one translation of errors on this edge: DomainError -> HTTP status and OpenAI's error object. Clients get the code and
// safe text; the cause stays for the log.
import { HTTPException } from 'hono/http-exception';
import { DomainError, type ErrorCode, toDomainError } from '../../infra/errors/domain-error.ts';

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
  invalid_api_key: { status: 401, type: 'authentication_error' },
  insufficient_scope: { status: 403, type: 'permission_error' },
  model_not_found: refused(404),
  not_found: refused(404),
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

/** Codes whose text may name files or machines: true for the operator, nobody else's business. */
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

/** OpenAI's error object for an error. */
export function errorBody(error: DomainError): ErrorBody {
  const message = PRIVATE.has(error.code) ? 'An internal error occurred.' : error.message;
  return {
    error: { message, type: HTTP_KINDS[error.code].type, param: error.param ?? null, code: error.code },
  };
}

/** Headers that go with an error: when to retry, or how to authenticate (RFC 9110 section 11.6.1). */
export function errorHeaders(error: DomainError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfterSeconds));
  if (error.code === 'invalid_api_key') headers['www-authenticate'] = 'Bearer';
  return headers;
}

/** Anything thrown below the app, as a DomainError. Hono's own refusals carry plain text, which is not the API's shape. */
export function thrownToDomainError(thrown: unknown): DomainError {
  if (!(thrown instanceof HTTPException)) return toDomainError(thrown);
  const code: ErrorCode = thrown.status < 500 ? 'invalid_request' : 'internal';
  return new DomainError(code, thrown.message || 'The request was refused.', { cause: thrown });
}

/** Whether an unknown text, read from Redis, is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(HTTP_KINDS, text);
}
