// POST /v1/chat/completions and POST /v1/completions.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Limits } from '../../infra/config/config-schema.ts';
import type { Generations, Wording } from '../apis/generations.ts';
import type { GatewayEnv } from '../environment.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import { eventStream } from '../openapi/event-stream.ts';
import {
  describeLimits,
  GENERATION_ERRORS,
  GENERATION_HEADERS,
  generationHeaders,
} from '../openapi/generation-routes.ts';
import { headerRefs } from '../openapi/response-headers.ts';
import type { GatewayParts } from '../parts.ts';
import { chatCompletionSchema } from '../request/chat-completion-schema.ts';
import { completionSchema } from '../request/completion-schema.ts';
import { type PreparedGeneration, prepareChat, prepareCompletion } from '../request/prepare-generation.ts';
import { collectAnswer } from '../stream/collect-answer.ts';
import { chunkFormat } from '../stream/stream-format.ts';
import { chatCompletionAnswer, textCompletionAnswer } from './completion-answers.ts';

/** OpenAI's objects. */
const WORDING: Wording<PreparedGeneration> = {
  whole: collectAnswer,
  stream: (view, { includeUsage }) => chunkFormat({ ...view, includeUsage, afterSeq: 0 }),
};

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
    request: { headers: generationHeaders, body: { required: true, content: { 'application/json': { schema } } } },
    responses: {
      200: {
        description: `${result}; server-sent events with \`stream: true\`.`,
        headers: headerRefs(GENERATION_HEADERS),
        content: { 'application/json': { schema: answer }, ...eventStream([chunk]) },
      },
    },
    errors: GENERATION_ERRORS,
  };
}

/** Azure's paths name the model. */
function azureRoute(route: typeof CHAT_ROUTE | typeof COMPLETION_ROUTE, limits: Limits): RouteDeclaration {
  return {
    ...generationRoute(route, limits),
    path: `/openai/deployments/{deployment}${route.path.slice('/v1'.length)}`,
    operationId: `${route.operationId}OfDeployment`,
    summary: `${route.summary} The deployment is the model; \`api-version\` is ignored.`,
  };
}

/** Adds the generation endpoints. */
export function addGenerationRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts, generations: Generations): void {
  const { limits } = parts.config;
  for (const declare of [generationRoute, azureRoute]) {
    addRoute(app, declare(CHAT_ROUTE, limits), (c) => generations.answer(c, prepareChat, WORDING));
    addRoute(app, declare(COMPLETION_ROUTE, limits), (c) => generations.answer(c, prepareCompletion, WORDING));
  }
}
