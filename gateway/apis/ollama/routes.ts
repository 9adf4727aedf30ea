// /api/chat, generate, tags, show, ps, version: Ollama's API. Streams are lines of JSON, and the default.
import { createHash } from 'node:crypto';
import type { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Limits } from '../../../infra/config/config-schema.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import type { Caller } from '../../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../../environment.ts';
import { jsonAnswer } from '../../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../../openapi/declare-route.ts';
import {
  describeLimits,
  GENERATION_ERRORS,
  GENERATION_HEADERS,
  generationHeaders,
} from '../../openapi/generation-routes.ts';
import { headerRefs } from '../../openapi/response-headers.ts';
import type { GatewayParts } from '../../parts.ts';
import { admitGeneration, admitReader, findModel, mayUseModel } from '../../request/admit-generation.ts';
import { parseBody, parseGenerationBody } from '../../request/parse-body.ts';
import { jsonBodyOf } from '../../request/read-ahead.ts';
import type { Generations } from '../generations.ts';
import { prepareTranslated } from '../prepare-translated.ts';
import {
  lineOf,
  ollamaChatAnswer,
  ollamaGenerateAnswer,
  psAnswer,
  showAnswer,
  tagsAnswer,
  versionAnswer,
} from './ollama-answers.ts';
import { OLLAMA_FIELDS } from './ollama-fields.ts';
import { ollamaChatSchema, ollamaGenerateSchema, ollamaShowSchema } from './ollama-schema.ts';
import { chatConversation, generateConversation, modelName, ollamaFieldOf } from './to-conversation.ts';
import { loadedAnswer, ollamaWording, type PreparedOllama } from './wording.ts';

type Endpoint = PreparedOllama['endpoint'];

const SUMMARIES = { chat: 'Answers a conversation', generate: 'Answers a prompt' } as const;
const SCHEMAS = { chat: ollamaChatSchema, generate: ollamaGenerateSchema } as const;
const ANSWERS = { chat: ollamaChatAnswer, generate: ollamaGenerateAnswer } as const;
const OPERATIONS = { chat: 'ollamaChat', generate: 'ollamaGenerate' } as const;

function generationRoute(endpoint: Endpoint, limits: Limits): RouteDeclaration {
  return {
    method: 'post',
    path: `/api/${endpoint}`,
    operationId: OPERATIONS[endpoint],
    summary: `${SUMMARIES[endpoint]}, in Ollama's format.`,
    description: describeLimits(limits),
    access: 'tenant',
    request: {
      headers: generationHeaders,
      body: { required: true, content: { 'application/json': { schema: SCHEMAS[endpoint] } } },
    },
    responses: {
      200: {
        description: 'The answer; lines of JSON unless `stream` is false.',
        headers: headerRefs(GENERATION_HEADERS),
        content: {
          'application/json': { schema: ANSWERS[endpoint] },
          'application/x-ndjson': { schema: lineOf(ANSWERS[endpoint]) },
        },
      },
    },
    errors: GENERATION_ERRORS,
  };
}

function listRoute(name: 'tags' | 'ps' | 'version', operationId: string, summary: string, schema: z.ZodType) {
  return {
    method: 'get',
    path: `/api/${name}`,
    operationId,
    summary,
    access: 'tenant',
    responses: { 200: jsonAnswer(summary, schema) },
  } as const satisfies RouteDeclaration;
}

const TAGS = listRoute('tags', 'ollamaTags', 'Models that the tenant may use.', tagsAnswer);
const PS = listRoute('ps', 'ollamaProcesses', 'Models that are loaded, which are the same.', psAnswer);
const VERSION = listRoute('version', 'ollamaVersion', 'The version of Ollama whose API this is.', versionAnswer);

const SHOW: RouteDeclaration = {
  method: 'post',
  path: '/api/show',
  operationId: 'ollamaShow',
  summary: 'One model.',
  access: 'tenant',
  request: { body: { required: true, content: { 'application/json': { schema: ollamaShowSchema } } } },
  responses: { 200: jsonAnswer('The model.', showAnswer) },
  errors: ['model_not_found', 'payload_too_large', 'unsupported_media_type'],
};

/** Clients compare it with what they need. */
const OLLAMA_VERSION = '0.13.0';
/** A model stays loaded. */
const NEVER = '9999-12-31T00:00:00.000Z';

/** Adds Ollama's endpoints. */
export function addOllamaRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts, generations: Generations): void {
  const { limits } = parts.config;
  addRoute(app, generationRoute('chat', limits), (c) => generate(parts, generations, c, 'chat'));
  addRoute(app, generationRoute('generate', limits), (c) => generate(parts, generations, c, 'generate'));
  addRoute(app, TAGS, async (c) => c.json({ models: (await usable(parts, c)).map(tagOf) }));
  addRoute(app, PS, async (c) => c.json({ models: (await usable(parts, c)).map(processOf) }));
  addRoute(app, SHOW, (c) => show(parts, c));
  addRoute(app, VERSION, async (c) => {
    await admitReader(parts, c);
    return c.json({ version: OLLAMA_VERSION });
  });
}

async function generate(parts: GatewayParts, generations: Generations, c: GatewayContext, endpoint: Endpoint) {
  const caller = await admitGeneration(parts, c);
  const { value, bytes } = await jsonBodyOf(c, parts.config.limits);
  const { fields, body } = translate(endpoint, value);
  if (fields === null) return load(parts, c, caller, endpoint, body.model);
  const conversation = { kind: 'chat', fields, bytes, fitMaxTokens: true, fieldOf: ollamaFieldOf } as const;
  const prepared = await prepareTranslated(parts, c, caller, conversation);
  const own = { ...prepared, stream: body.stream ?? true, endpoint, modelName: body.model };
  return generations.respond(c, caller, own, ollamaWording(parts.clock));
}

/** `fields`: null if it asks nothing. */
function translate(endpoint: Endpoint, value: unknown) {
  if (endpoint === 'chat') {
    const body = parseGenerationBody(ollamaChatSchema, value, OLLAMA_FIELDS, 'chat');
    return { body, fields: (body.messages ?? []).length === 0 ? null : chatConversation(body) };
  }
  const body = parseGenerationBody(ollamaGenerateSchema, value, OLLAMA_FIELDS, 'generate');
  return { body, fields: (body.prompt ?? '') === '' ? null : generateConversation(body) };
}

/** Clients load a model by asking it nothing. */
async function load(
  parts: GatewayParts,
  c: GatewayContext,
  { policy }: Caller,
  endpoint: Endpoint,
  name: string,
): Promise<Response> {
  await findModel(parts, policy, modelName(name));
  return c.json(loadedAnswer({ endpoint, modelName: name }, parts.clock));
}

interface Listed {
  readonly name: string;
  readonly created: number;
  readonly maxContext: number;
}

async function usable(parts: GatewayParts, c: GatewayContext): Promise<readonly Listed[]> {
  const { policy } = await admitReader(parts, c);
  return parts.models.list().filter(({ name }) => mayUseModel(policy, name));
}

function commonOf({ name, created }: Listed) {
  // Clients show its beginning, to tell versions of a model apart.
  const digest = createHash('sha256').update(`${name}\n${created}`).digest('hex');
  return { name, model: name, size: 0, digest, details: DETAILS };
}

/** What Ollama knows of its files and clients do not need. */
const DETAILS = {
  parent_model: '',
  format: 'safetensors',
  family: '',
  families: [],
  parameter_size: '',
  quantization_level: '',
};

function modifiedAt({ created }: Listed): string {
  return new Date(created * 1000).toISOString();
}

function tagOf(model: Listed): object {
  return { ...commonOf(model), modified_at: modifiedAt(model) };
}

function processOf(model: Listed): object {
  return { ...commonOf(model), expires_at: NEVER, size_vram: 0, context_length: model.maxContext };
}

async function show(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { policy } = await admitReader(parts, c);
  const { value } = await jsonBodyOf(c, parts.config.limits);
  const { model: name, name: older } = parseBody(ollamaShowSchema, value);
  const asked = name ?? older;
  if (asked === undefined) throw new DomainError('invalid_request', "Expected the field 'model'.", { param: 'model' });
  const model = await findModel(parts, policy, modelName(asked));
  const { traits, maxContext } = model;
  return c.json({
    modelfile: '',
    parameters: '',
    template: '',
    details: DETAILS,
    model_info: { 'general.architecture': 'conclave', 'conclave.context_length': maxContext },
    capabilities: ['completion', ...(traits.takesTools ? ['tools'] : []), ...(traits.reasoning ? ['thinking'] : [])],
    modified_at: modifiedAt(model),
  });
}
