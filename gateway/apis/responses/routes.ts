// /v1/responses: create, get, stream again, delete, cancel, list the items of the input. A response is its tenant's alone.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Limits } from '../../../infra/config/config-schema.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';
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
import { admitGeneration, admitReader } from '../../request/admit-generation.ts';
import { parseQuery } from '../../request/parse-query.ts';
import { answerWithStream } from '../../stream/answer-generation.ts';
import type { Generations } from '../generations.ts';
import { currentResponse, recordInBackground, storedView } from './background.ts';
import { type PreparedResponse, prepareResponse } from './prepare-response.ts';
import { deletedSchema, itemListSchema, RESPONSES_EVENTS, responseSchema } from './responses-answers.ts';
import { responsesSchema } from './responses-schema.ts';
import { failedEnding, responseObject, type StoredResponse } from './stored-response.ts';
import { responseFormat, responseWording } from './wording.ts';

const EVENTS =
  'Events of a response, numbered by `sequence_number`. `error` ends a stream that cannot continue. Comments keep the connection alive.';

function createRoute(limits: Limits): RouteDeclaration {
  return {
    method: 'post',
    path: '/v1/responses',
    operationId: 'createResponse',
    summary: 'Answers a conversation, in the format of the Responses API.',
    description: describeLimits(limits),
    access: 'tenant',
    request: {
      headers: generationHeaders,
      body: { required: true, content: { 'application/json': { schema: responsesSchema } } },
    },
    responses: {
      200: {
        description: 'The response; server-sent events with `stream: true`.',
        headers: headerRefs(GENERATION_HEADERS),
        content: { 'application/json': { schema: responseSchema }, ...namedEventStream(RESPONSES_EVENTS, EVENTS) },
      },
    },
    errors: GENERATION_ERRORS,
  };
}

const getQuery = z.strictObject({
  stream: z.enum(['true', 'false']).optional().describe('Streams a response that was made in the background.'),
  starting_after: z
    .string()
    .regex(/^\d{1,9}$/)
    .optional()
    .describe('The last `sequence_number` that the client has.'),
  include: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('Taken; changes nothing.'),
  include_obfuscation: z.enum(['true', 'false']).optional().describe('Taken; changes nothing.'),
});

const GET: RouteDeclaration = {
  method: 'get',
  path: '/v1/responses/{id}',
  operationId: 'getResponse',
  summary: 'A stored response.',
  access: 'tenant',
  request: { query: getQuery },
  responses: {
    200: {
      description: 'The response.',
      headers: headerRefs(['conclave-id']),
      content: { 'application/json': { schema: responseSchema }, ...namedEventStream(RESPONSES_EVENTS, EVENTS) },
    },
  },
  errors: ['not_found'],
};

const DELETE: RouteDeclaration = {
  method: 'delete',
  path: '/v1/responses/{id}',
  operationId: 'deleteResponse',
  summary: 'Deletes a stored response, and cancels it if it has not ended.',
  access: 'tenant',
  responses: { 200: jsonAnswer('It was deleted.', deletedSchema) },
  errors: ['not_found'],
};

const CANCEL: RouteDeclaration = {
  method: 'post',
  path: '/v1/responses/{id}/cancel',
  operationId: 'cancelResponse',
  summary: 'Cancels a response in the background.',
  access: 'tenant',
  responses: { 200: jsonAnswer('The response.', responseSchema) },
  errors: ['not_found'],
};

const itemsQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/)
    .optional()
    .describe('1 to 100; default 20.'),
  order: z.enum(['asc', 'desc']).optional().describe('Default: desc, the last one first.'),
  after: z.string().max(256).optional().describe('Id of the last item of the page before.'),
  include: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('Taken; changes nothing.'),
});

const ITEMS: RouteDeclaration = {
  method: 'get',
  path: '/v1/responses/{id}/input_items',
  operationId: 'listResponseInputItems',
  summary: "The items of a response's own input.",
  access: 'tenant',
  request: { query: itemsQuery },
  responses: { 200: jsonAnswer('A page of them.', itemListSchema) },
  errors: ['not_found'],
};

/** Adds the endpoints of the Responses API. */
export function addResponsesRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts, generations: Generations): void {
  addRoute(app, createRoute(parts.config.limits), (c) => create(parts, generations, c));
  addRoute(app, GET, (c) => get(parts, c));
  addRoute(app, DELETE, (c) => remove(parts, c));
  addRoute(app, CANCEL, (c) => cancel(parts, c));
  addRoute(app, ITEMS, (c) => listItems(parts, c));
}

async function create(parts: GatewayParts, generations: Generations, c: GatewayContext): Promise<Response> {
  const caller = await admitGeneration(parts, c);
  const prepared = await prepareResponse(parts, c, caller);
  if (!prepared.stored.background) return generations.respond(c, caller, prepared, responseWording(parts));
  await parts.responses.put(prepared.stored);
  const queued = await generations.enqueue(c, caller, prepared).catch(async (error: unknown) => {
    await forget(parts, prepared.stored);
    throw error;
  });
  return startInBackground(parts, c, prepared, queued);
}

async function startInBackground(
  parts: GatewayParts,
  c: GatewayContext,
  { stored, stream }: PreparedResponse,
  { view, entries, repeated }: Awaited<ReturnType<Generations['enqueue']>>,
): Promise<Response> {
  if (repeated) await forget(parts, stored);
  else recordInBackground(parts, stored, view, entries);
  const own = repeated ? await parts.responses.find(view.id, stored.tenant) : stored;
  if (stream) return streamStored(parts, c, own, -1);
  return c.json(responseObject(own, 'queued'), 200, { 'conclave-id': view.id });
}

async function forget({ responses }: GatewayParts, { id, tenant }: StoredResponse): Promise<void> {
  // It expires by itself.
  await responses.remove(id, tenant).catch(() => {});
}

async function own(parts: GatewayParts, c: GatewayContext): Promise<StoredResponse> {
  const { principal } = await admitReader(parts, c);
  return parts.responses.find(c.req.param('id') ?? '', principal.tenant);
}

async function get(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const stored = await own(parts, c);
  const query = parseQuery(getQuery, c);
  if (query.stream === 'true') return streamAgain(parts, c, stored, Number(query.starting_after ?? -1));
  const { stored: current, status } = await currentResponse(parts, stored);
  return c.json(responseObject(current, status), 200, { 'conclave-id': current.id });
}

async function streamAgain(parts: GatewayParts, c: GatewayContext, stored: StoredResponse, after: number) {
  if (stored.background && (await parts.findGeneration(stored.id)) !== null)
    return streamStored(parts, c, stored, after);
  const what = stored.background ? 'its stream has expired' : 'it was not made in the background';
  throw new DomainError('invalid_request', `Invalid 'stream': this response cannot be streamed, as ${what}.`, {
    param: 'stream',
  });
}

/** From its first entry on, without its ending, so that the events are those of the first time. */
async function streamStored(parts: GatewayParts, c: GatewayContext, stored: StoredResponse, after: number) {
  const view = await storedView(parts, stored);
  const format = responseFormat(parts, { ...stored, ending: null }, view, after);
  const entries = (signal: AbortSignal) => parts.streams.follow(stored.id, 1, signal);
  return answerWithStream(parts, c, { view, entries, format, afterSeq: 0 });
}

async function remove(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { id, tenant, background, ending } = await own(parts, c);
  await parts.responses.remove(id, tenant);
  if (background && ending === null) await stop(parts, id, tenant);
  return c.json({ id, object: 'response', deleted: true });
}

async function cancel(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const stored = await own(parts, c);
  if (!stored.background) {
    throw new DomainError('invalid_request', "Only a response that was created with 'background' can be cancelled.");
  }
  if (stored.ending !== null) return c.json(responseObject(stored, 'in_progress'));
  await stop(parts, stored.id, stored.tenant);
  const reason = new DomainError('cancelled', 'The response was cancelled.');
  const ended = { ...stored, ending: failedEnding(reason, [], parts.clock()) };
  await parts.responses.put(ended);
  return c.json(responseObject(ended, 'in_progress'));
}

/** A generation whose record has expired needs no stopping. */
async function stop({ queue }: GatewayParts, id: string, tenant: string): Promise<void> {
  await queue.cancel(id, tenant).catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.code !== 'not_found') throw error;
  });
}

async function listItems(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { input } = await own(parts, c);
  const { order = 'desc', after, limit } = parseQuery(itemsQuery, c);
  const ordered = order === 'asc' ? [...input] : [...input].reverse();
  const first = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  const data = ordered.slice(first, first + Number(limit ?? 20));
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return c.json({ object: 'list', data, ...ends, has_more: first + data.length < ordered.length });
}
