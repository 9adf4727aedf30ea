// What the declarations of all routes that generate share: headers, errors, limits.
import { z } from '@hono/zod-openapi';
import type { Limits } from '../../infra/config/config-schema.ts';
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import { idempotencyKeySchema, resumeSecondsSchema } from '../request/read-client-headers.ts';

/** Error codes in addition to those of every route: body, model, queue and worker. */
export const GENERATION_ERRORS: readonly ErrorCode[] = [
  'unsupported_parameter',
  'context_length_exceeded',
  'payload_too_large',
  'unsupported_media_type',
  'model_not_found',
  'not_found',
  'conflict',
  'rate_limit_exceeded',
  'queue_full',
  'cancelled',
  'timeout',
  'fenced',
  'generation_failed',
  'native_error',
  'bad_config',
  'bad_checkpoint',
  'bad_pack',
  'bad_tokenizer',
];

export const generationHeaders = z.object({
  'Idempotency-Key': idempotencyKeySchema.optional(),
  'Conclave-Resume': resumeSecondsSchema.optional(),
  traceparent: z.string().optional().describe('W3C trace context; ignored if malformed.'),
  'Content-Encoding': z.enum(['gzip', 'x-gzip', 'deflate', 'br', 'identity']).optional(),
});

export const GENERATION_HEADERS = ['conclave-id', 'conclave-repeated'] as const;

/** The limits come from the configuration, so they are described in text rather than in the schema. */
export function describeLimits({ bodyBytes, messages, choices, maxTokens, jsonDepth }: Limits): string {
  return (
    `Limits of this server: ${bodyBytes} bytes of decoded body; ${jsonDepth} levels of nesting; ${messages} messages; ` +
    `n up to ${choices}; ${maxTokens} tokens per answer.`
  );
}
