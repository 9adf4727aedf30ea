// The body of an error in the shape of the API that was called. The path tells which: an error can come before its route is known.
import type { DomainError } from '../../infra/errors/domain-error.ts';
import { errorBody } from './error-to-http.ts';
import { messagesErrorBody } from './messages-error.ts';
import { ollamaErrorBody } from './ollama-error.ts';

/** The shapes: OpenAI's, Anthropic's, Ollama's. */
export type ErrorShape = 'openai' | 'messages' | 'ollama';

const SHAPES: readonly (readonly [prefix: string, shape: ErrorShape])[] = [
  ['/v1/messages', 'messages'],
  ['/api', 'ollama'],
];

/** The shape of errors at a path. */
export function errorShape(path: string): ErrorShape {
  return SHAPES.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1] ?? 'openai';
}

/** `requestId`: of the HTTP request. */
export function errorAnswer(path: string, error: DomainError, requestId: string): object {
  const shape = errorShape(path);
  if (shape === 'messages') return messagesErrorBody(error, requestId);
  return shape === 'ollama' ? ollamaErrorBody(error) : errorBody(error);
}
