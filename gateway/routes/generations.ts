// POST /v1/chat/completions and POST /v1/completions.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Limits } from '../../infra/config/config-schema.ts';
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import type { Generate, Wording } from '../apis/generate.ts';
import type { GatewayEnv } from '../environment.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import { eventStream } from '../openapi/event-stream.ts';
import { headerRefs } from '../openapi/response-headers.ts';
import type { GatewayParts } from '../parts.ts';
import { chatCompletionSchema } from '../request/chat-completion-schema.ts';
import { completionSchema } from '../request/completion-schema.ts';
import { type PreparedGeneration, prepareChat, prepareCompletion } from '../request/prepare-generation.ts';
import { idempotencyKeySchema, resumeSecondsSchema } from '../request/read-client-headers.ts';
import { collectAnswer } from '../stream/collect-answer.ts';
import { chunkFormat } from '../stream/stream-format.ts';
import { chatCompletionAnswer, textCompletionAnswer } from './completion-answers.ts';

/** OpenAI's objects. */
const WORDING: Wording<PreparedGeneration> = {
  whole: collectAnswer,
  stream: (view, { includeUsage }) => chunkFormat({ ...view, includeUsage, afterSeq: 0 }),
};

/** Error codes in addition to those of every route: body, model, queue and worker. */
const ERRORS: readonly ErrorCode[] = [
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

const headers = z.object({
  'Idempotency-Key': idempotencyKeySchema.optional(),
  'Conclave-Resume': resumeSecondsSchema.optional(),
  traceparent: z.string().optional().describe('W3C trace context; ignored if malformed.'),
  'Content-Encoding': z.enum(['gzip', 'x-gzip', 'deflate', 'br', 'identity']).optional(),
});

const ANSWER_HEADERS = ['conclave-id', 'conclave-repeated'] as const;

/** The limits come from the configuration, so they are described in text rather than in the schema. */
function describeLimits({ bodyBytes, messages, choices, maxTokens, jsonDepth }: Limits): string {
  return (
    `Limits of this server: ${bodyBytes} bytes of decoded body; ${jsonDepth} levels of nesting; ${messages} messages; ` +
    `n up to ${choices}; ${maxTokens} tokens per answer.`
  );
}

const CHAT_ROUTE = {
  path: '/v1/chat/completions',
  operationId: 'createChatCompletion',
  summary: 'Answers a conversation.',
  result: 'The answer',
  schema: chatCompletionSchema,
  answer: chatCompletionAnswer,
  chunk: 'ChatCompletionChunk',
} as const;

const COMPLETION_ROUTE = {
  path: '/v1/completions',
  operationId: 'createCompletion',
  summary: 'Continues a text.',
  result: 'The continuation',
  schema: completionSchema,
  answer: textCompletionAnswer,
  chunk: 'TextCompletionChunk',
} as const;

function generationRoute(
  { path, operationId, summary, result, schema, answer, chunk }: typeof CHAT_ROUTE | typeof COMPLETION_ROUTE,
  limits: Limits,
): RouteDeclaration {
  return {
    method: 'post',
    path,
    operationId,
    summary,
    description: describeLimits(limits),
    access: 'tenant',
    request: { headers, body: { required: true, content: { 'application/json': { schema } } } },
    responses: {
      200: {
        description: `${result}; server-sent events with \`stream: true\`.`,
        headers: headerRefs(ANSWER_HEADERS),
        content: { 'application/json': { schema: answer }, ...eventStream([chunk]) },
      },
    },
    errors: ERRORS,
  };
}

/** Adds the generation endpoints. */
export function addGenerationRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts, generate: Generate): void {
  const { limits } = parts.config;
  addRoute(app, generationRoute(CHAT_ROUTE, limits), (c) => generate(c, prepareChat, WORDING));
  addRoute(app, generationRoute(COMPLETION_ROUTE, limits), (c) => generate(c, prepareCompletion, WORDING));
}
