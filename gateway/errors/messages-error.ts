// Anthropic's error object for an error.
import type { DomainError } from '../../infra/errors/domain-error.ts';
import { httpStatus, publicMessage } from './error-to-http.ts';

/** By HTTP status; others are an `api_error`. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  409: 'invalid_request_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  499: 'invalid_request_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** `requestId`: of the HTTP request. */
export function messagesErrorBody(error: DomainError, requestId: string) {
  const type = TYPES[httpStatus(error.code)] ?? 'api_error';
  return { type: 'error', error: { type, message: publicMessage(error) }, request_id: requestId };
}
