// Ollama's error object for an error.
import type { DomainError } from '../../infra/errors/domain-error.ts';
import { publicMessage } from './error-to-http.ts';

/** A text is all there is. */
export function ollamaErrorBody(error: DomainError) {
  return { error: publicMessage(error) };
}
