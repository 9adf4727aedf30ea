// POST /v1/messages and /v1/messages/count_tokens: Anthropic's API.
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { Limits } from '../../../infra/config/config-schema.ts';
import { countPromptTokens } from '../../../infra/messages/generation-request.ts';
import type { Caller } from '../../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../../environment.ts';
import { jsonAnswer } from '../../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../../openapi/declare-route.ts';
import { namedEventStream } from '../../openapi/event-stream.ts';
import {
  describeLimits,
  GENERATION_ERRORS,
  GENERATION_HEADERS,
  generationHeaders,
} from '../../openapi/generation-routes.ts';
import { headerRefs } from '../../openapi/response-headers.ts';
import type { GatewayParts } from '../../parts.ts';
import { admitReader } from '../../request/admit-generation.ts';
import { parseGenerationBody } from '../../request/parse-body.ts';
import { jsonBodyOf } from '../../request/read-ahead.ts';
import type { Generations } from '../generations.ts';
import { prepareTranslated } from '../prepare-translated.ts';
import { MESSAGES_EVENTS, messageAnswer, tokenCountAnswer } from './messages-answers.ts';
import { MESSAGES_FIELDS } from './messages-fields.ts';
import { countTokensSchema, messagesSchema } from './messages-schema.ts';
import { messagesFieldOf, toConversation } from './to-conversation.ts';
import { MESSAGES_WORDING, type PreparedMessage } from './wording.ts';

function createRoute(limits: Limits): RouteDeclaration {
  const events = 'Events of a message. `ping` keeps the connection alive; `error` ends a stream that cannot continue.';
  return {
    method: 'post',
    path: '/v1/messages',
    operationId: 'createMessage',
    summary: "Answers a conversation, in Anthropic's format.",
    description: describeLimits(limits),
    access: 'tenant',
    request: {
      headers: generationHeaders,
      body: { required: true, content: { 'application/json': { schema: messagesSchema } } },
    },
    responses: {
      200: {
        description: 'The answer; server-sent events with `stream: true`.',
        headers: headerRefs(GENERATION_HEADERS),
        content: { 'application/json': { schema: messageAnswer }, ...namedEventStream(MESSAGES_EVENTS, events) },
      },
    },
    errors: GENERATION_ERRORS,
  };
}

const COUNT: RouteDeclaration = {
  method: 'post',
  path: '/v1/messages/count_tokens',
  operationId: 'countMessageTokens',
  summary: 'Counts the tokens of a conversation.',
  access: 'tenant',
  request: { body: { required: true, content: { 'application/json': { schema: countTokensSchema } } } },
  responses: { 200: jsonAnswer('Their number.', tokenCountAnswer) },
  errors: GENERATION_ERRORS,
};

/** Adds Anthropic's endpoints. */
export function addMessagesRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts, generations: Generations): void {
  addRoute(app, createRoute(parts.config.limits), (c) => generations.answer(c, prepareMessage, MESSAGES_WORDING));
  addRoute(app, COUNT, (c) => countTokens(parts, c));
}

async function prepareMessage(parts: GatewayParts, c: GatewayContext, caller: Caller): Promise<PreparedMessage> {
  const { value, bytes } = await jsonBodyOf(c, parts.config.limits);
  const body = parseGenerationBody(messagesSchema, value, MESSAGES_FIELDS, 'body');
  const prepared = await prepareTranslated(parts, c, caller, {
    kind: 'message',
    fields: toConversation(body),
    bytes,
    fitMaxTokens: true,
    fieldOf: messagesFieldOf,
  });
  return { ...prepared, maxTokens: body.max_tokens, httpRequestId: c.get('requestId') };
}

async function countTokens(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const caller = await admitReader(parts, c);
  const { value, bytes } = await jsonBodyOf(c, parts.config.limits);
  const body = parseGenerationBody(countTokensSchema, value, MESSAGES_FIELDS, 'body');
  const fields = toConversation(body);
  const conversation = { kind: 'message', fields, bytes, fitMaxTokens: true, fieldOf: messagesFieldOf } as const;
  const { request } = await prepareTranslated(parts, c, caller, conversation);
  return c.json({ input_tokens: countPromptTokens(request) });
}
