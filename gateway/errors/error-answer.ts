// The body of an error in the shape of the API that was called. The path tells which: an error can come before its route is known.
import type { DomainError } from '../../infra/errors/domain-error.ts';
import { errorBody } from './error-to-http.ts';
import { messagesErrorBody } from './messages-error.ts';

/** The shapes: OpenAI's, Anthropic's. */
export type ErrorShape = 'openai' | 'messages';

const SHAPES: readonly (readonly [prefix: string, shape: ErrorShape])[] = [['/v1/messages', 'messages']];

/** The shape of errors at a path. */
export function errorShape(path: string): ErrorShape {
  return SHAPES.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1] ?? 'openai';
}

/** `requestId`: of the HTTP request. */
export function errorAnswer(path: string, error: DomainError, requestId: string): object {
  return errorShape(path) === 'messages' ? messagesErrorBody(error, requestId) : errorBody(error);
}
