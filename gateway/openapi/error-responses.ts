// Error codes that a route may answer with -> its declared answers by status. Statuses and types are those of the one translation.
import { z } from '@hono/zod-openapi';
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import type { ErrorShape } from '../errors/error-answer.ts';
import { errorType, httpStatus } from '../errors/error-to-http.ts';
import type { DeclaredAnswer } from './answers.ts';
import { type HeaderName, headerRefs } from './response-headers.ts';

/** Any error object: the `error` events of streams, and routes that do not exist. */
export const errorSchema = errorObject(z.string(), z.string()).openapi('Error');

/** One answer per status, whose `code` is one of those given. */
export function errorResponses(
  codes: readonly ErrorCode[],
  shape: ErrorShape,
): Readonly<Record<string, DeclaredAnswer>> {
  const statuses = [...new Set(codes.map(httpStatus))].sort();
  return Object.fromEntries(statuses.map((status) => [status, response(status, codes, shape)]));
}

function response(status: number, codes: readonly ErrorCode[], shape: ErrorShape) {
  const ofStatus = [...new Set(codes.filter((code) => httpStatus(code) === status))];
  const types = [...new Set(ofStatus.map(errorType))];
  return {
    description: ofStatus.join(', '),
    headers: headerRefs(OF_STATUS[status] ?? []),
    content: { 'application/json': { schema: schemaOf(shape, types, ofStatus) } },
  };
}

const OF_STATUS: Readonly<Record<number, readonly HeaderName[]>> = {
  401: ['www-authenticate'],
  429: ['retry-after'],
  503: ['retry-after'],
};

function schemaOf(shape: ErrorShape, types: readonly string[], codes: readonly string[]): z.ZodType {
  if (shape === 'messages') return messagesErrorSchema;
  return shape === 'ollama' ? ollamaErrorSchema : errorObject(z.enum(types), z.enum(codes));
}

/** Ollama's error object. */
export const ollamaErrorSchema = z.object({ error: z.string() }).openapi('OllamaError');

/** Anthropic's error object. */
export const messagesErrorSchema = z
  .object({
    type: z.literal('error'),
    error: z.object({ type: z.string(), message: z.string() }),
    request_id: z.string(),
  })
  .openapi('MessagesError');

function errorObject(type: z.ZodType<string>, code: z.ZodType<string>) {
  const param = z.string().nullable().describe('The field, header or parameter at fault.');
  return z.object({ error: z.object({ message: z.string(), type, param, code }) });
}
