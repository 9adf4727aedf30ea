// POST /tokenize and /detokenize, as vLLM has them: the tokens of a text or of a conversation, and back. Generates nothing, so it does
// not count against the rate.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import type { GatewayParts, ServedModel } from '../parts.ts';
import { admitReader, findModel } from '../request/admit-generation.ts';
import { chatCompletionSchema } from '../request/chat-completion-schema.ts';
import { isFields, OPENAI_FIELDS } from '../request/drop-idle-fields.ts';
import { parseBody, parseGenerationBody } from '../request/parse-body.ts';
import { jsonBodyOf } from '../request/read-ahead.ts';
import { readConversation } from '../request/read-conversation.ts';
import { text } from '../request/sampling-schema.ts';

const modelName = z.string().min(1).max(256);

const tokenizeText = z.strictObject({
  model: modelName,
  prompt: text.describe('Or `messages` and what else belongs to a chat completion: its prompt is encoded.'),
});

const tokenizeSchema = z.union([tokenizeText, chatCompletionSchema]).openapi('TokenizeRequest');
const detokenizeSchema = z
  .strictObject({ model: modelName, tokens: z.array(z.int().min(0)).max(1_000_000) })
  .openapi('DetokenizeRequest');

const tokenizeAnswer = z
  .object({ count: z.int(), max_model_len: z.int(), tokens: z.array(z.int()), token_strs: z.null() })
  .openapi('Tokens');
const detokenizeAnswer = z.object({ prompt: z.string() }).openapi('DetokenizedText');

const ERRORS = [
  'unsupported_parameter',
  'context_length_exceeded',
  'payload_too_large',
  'model_not_found',
  'bad_tokenizer',
] as const;

const TOKENIZE: RouteDeclaration = {
  method: 'post',
  path: '/tokenize',
  operationId: 'tokenize',
  summary: 'The tokens of a text, or of the prompt that a conversation becomes.',
  access: 'tenant',
  request: { body: { required: true, content: { 'application/json': { schema: tokenizeSchema } } } },
  responses: { 200: jsonAnswer('The tokens.', tokenizeAnswer) },
  errors: [...ERRORS, 'queue_full', 'unsupported_media_type'],
};

const DETOKENIZE: RouteDeclaration = {
  method: 'post',
  path: '/detokenize',
  operationId: 'detokenize',
  summary: 'The text of tokens; names of special tokens included.',
  access: 'tenant',
  request: { body: { required: true, content: { 'application/json': { schema: detokenizeSchema } } } },
  responses: { 200: jsonAnswer('The text.', detokenizeAnswer) },
  errors: [...ERRORS, 'unsupported_media_type'],
};

/** Adds both. */
export function addTokenizationRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  addRoute(app, TOKENIZE, (c) => tokenize(parts, c));
  addRoute(app, DETOKENIZE, (c) => detokenize(parts, c));
}

async function tokenize(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { principal, policy } = await admitReader(parts, c);
  const { value } = await jsonBodyOf(c, parts.config.limits);
  const { model, encode } = readTokenize(value);
  const served = await findModel(parts, policy, model);
  const tokens = await encode(served, principal.tenant);
  return c.json({ count: tokens.length, max_model_len: served.maxContext, tokens, token_strs: null });
}

interface Tokenize {
  readonly model: string;
  readonly encode: (model: ServedModel, tenant: string) => Promise<readonly number[]>;
}

function readTokenize(value: unknown): Tokenize {
  if (isFields(value) && value['messages'] !== undefined) {
    const body = parseGenerationBody(chatCompletionSchema, value, OPENAI_FIELDS, 'chat');
    const encode = async (model: ServedModel, tenant: string) =>
      (await model.encodeChat(readConversation(body, model.traits).conversation, tenant)).tokens;
    return { model: body.model, encode };
  }
  const { model, prompt } = parseBody(tokenizeText, value);
  return { model, encode: (served, tenant) => served.encodeText(prompt, tenant) };
}

async function detokenize(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { policy } = await admitReader(parts, c);
  const { value } = await jsonBodyOf(c, parts.config.limits);
  const { model, tokens } = parseBody(detokenizeSchema, value);
  const served = await findModel(parts, policy, model);
  const at = tokens.findIndex((id) => id >= served.vocab);
  if (at !== -1) {
    const param = `tokens[${at}]`;
    const message = `Invalid '${param}': expected a token id below ${served.vocab}, the size of the model's vocabulary.`;
    throw new DomainError('invalid_request', message, { param });
  }
  return c.json({ prompt: Buffer.concat(tokens.map((id) => served.tokenBytes(id))).toString() });
}
