// POST /v1/chat/completions and POST /v1/completions: admit, prepare, queue, answer.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Limits } from '../../infra/config/config-schema.ts';
import type { ErrorCode } from '../../infra/errors/domain-error.ts';
import { inSpan, readTraceparent } from '../../infra/trace/trace-context.ts';
import type { Caller } from '../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import { eventStream } from '../openapi/event-stream.ts';
import { headerRefs } from '../openapi/response-headers.ts';
import type { GatewayParts } from '../parts.ts';
import { createWeightSync, type WeightSync } from '../queue/sync-weight.ts';
import { admitGeneration } from '../request/admit-generation.ts';
import { chatCompletionSchema } from '../request/chat-completion-schema.ts';
import { completionSchema } from '../request/completion-schema.ts';
import { type PreparedGeneration, prepareChat, prepareCompletion } from '../request/prepare-generation.ts';
import { idempotencyKeySchema, resumeSecondsSchema } from '../request/read-client-headers.ts';
import { readRequestId } from '../request/request-id.ts';
import { answerWithJson, answerWithStream, type Entries } from '../stream/answer-generation.ts';
import type { AnswerView } from '../stream/answer-view.ts';
import { chatCompletionAnswer, textCompletionAnswer } from './completion-answers.ts';

type Prepare = (parts: GatewayParts, c: GatewayContext, caller: Caller) => Promise<PreparedGeneration>;

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
export function addGenerationRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  const syncWeight = createWeightSync(parts.operations.control);
  const { limits } = parts.config;
  addRoute(app, generationRoute(CHAT_ROUTE, limits), (c) => generate(parts, c, prepareChat, syncWeight));
  addRoute(app, generationRoute(COMPLETION_ROUTE, limits), (c) => generate(parts, c, prepareCompletion, syncWeight));
}

async function generate(parts: GatewayParts, c: GatewayContext, prepare: Prepare, syncWeight: WeightSync) {
  const caller = await admitGeneration(parts, c);
  const prepared = await prepare(parts, c, caller);
  const { id, repeated, entries } = await enqueueExpected(parts, c, caller, prepared);
  await syncTenantWeight(parts, caller, prepared.model.name, syncWeight);
  if (repeated) c.header('conclave-repeated', 'true');
  c.set('generation', { id, endUser: prepared.endUser, repeated });
  const view = answerView(id, prepared);
  if (!prepared.stream) return answerWithJson(parts, c, view, entries);
  return answerWithStream(parts, c, { view, entries, includeUsage: prepared.includeUsage, afterSeq: 0 });
}

/** Its entries are expected before it is queued: the first one may come before the answer to that. */
async function enqueueExpected(parts: GatewayParts, c: GatewayContext, caller: Caller, prepared: PreparedGeneration) {
  const expected = parts.streams.expect(prepared.request.id);
  const enqueued = await enqueue(parts, c, caller, prepared).catch((error: unknown) => {
    expected.forget();
    throw error;
  });
  if (!enqueued.repeated) return { ...enqueued, entries: (signal: AbortSignal) => expected.follow(signal) };
  expected.forget();
  const entries: Entries = (signal) => parts.streams.follow(enqueued.id, 1, signal);
  return { ...enqueued, entries };
}

/** The queue's span context goes into the request, so a worker's spans hang below this hop. */
function enqueue(parts: GatewayParts, c: GatewayContext, { policy }: Caller, prepared: PreparedGeneration) {
  const { request, idempotency } = prepared;
  return inSpan('enqueue', readTraceparent(c.req.header('traceparent')), (traceparent) =>
    parts.queue.enqueue({
      request: Object.freeze({ ...request, traceparent }),
      waitingLimit: policy.maxWaiting,
      idempotency,
    }),
  );
}

/** A failure does not affect the request: the next one sends the weight again. */
async function syncTenantWeight(
  parts: GatewayParts,
  { principal, policy }: Caller,
  model: string,
  syncWeight: WeightSync,
) {
  await syncWeight(model, principal.tenant, policy.weight).catch((error: unknown) => {
    parts.log.warn({ err: error }, 'the weight of a tenant could not be updated in Redis');
  });
}

/** A repeated request answers under the id and the time of the first one. */
function answerView(id: string, { kind, model, request }: PreparedGeneration): AnswerView {
  const createdAtMs = readRequestId(id)?.createdAtMs ?? request.createdAtMs;
  const tokenBytes = (token: number) => model.tokenBytes(token);
  return { id, kind, created: Math.floor(createdAtMs / 1000), model: model.name, tokenBytes };
}
