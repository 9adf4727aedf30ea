// GET /v1/streams/:id resumes a stream after Last-Event-ID, DELETE cancels it. Both are the owner's alone: to any other tenant
// the id does not exist.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GenerationRecord } from '../../infra/queue/generation-record.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import { eventStream } from '../openapi/event-stream.ts';
import { headerRefs } from '../openapi/response-headers.ts';
import type { GatewayParts } from '../parts.ts';
import { admitReader } from '../request/admit-generation.ts';
import { parseQuery } from '../request/parse-query.ts';
import { beyondEnd, lastEventIdSchema, readLastEventId } from '../request/read-client-headers.ts';
import { readRequestId } from '../request/request-id.ts';
import { answerWithStream, type Entries } from '../stream/answer-generation.ts';
import { chunkFormat } from '../stream/stream-format.ts';
import { cancellationSchema } from './completion-answers.ts';

/** A browser's EventSource repeats its URL with a newer header: the header counts. */
const streamQuerySchema = z.strictObject({
  last_event_id: z.string().optional().describe('Alternative to the header Last-Event-ID, which takes precedence.'),
  include_usage: z.enum(['true', 'false', '1', '0']).optional().describe('Ends the stream with a usage chunk.'),
});

const RESUME: RouteDeclaration = {
  method: 'get',
  path: '/v1/streams/{id}',
  operationId: 'resumeStream',
  summary: 'Resumes a stream after Last-Event-ID.',
  access: 'tenant',
  request: { query: streamQuerySchema, headers: z.object({ 'Last-Event-ID': lastEventIdSchema.optional() }) },
  responses: {
    200: {
      description: 'The rest of the stream.',
      headers: headerRefs(['conclave-id']),
      content: eventStream(['ChatCompletionChunk', 'TextCompletionChunk']),
    },
  },
  errors: ['not_found'],
};

const CANCEL: RouteDeclaration = {
  method: 'delete',
  path: '/v1/streams/{id}',
  operationId: 'cancelStream',
  summary: 'Cancels a generation.',
  access: 'tenant',
  responses: { 200: jsonAnswer('Whether the generation was cancelled.', cancellationSchema) },
  errors: ['not_found'],
};

/** Adds the stream endpoints. */
export function addStreamRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  addRoute(app, RESUME, (c) => resume(parts, c, c.req.param('id') ?? ''));
  addRoute(app, CANCEL, async (c) => {
    const { id, tenant } = await ownStream(parts, c, c.req.param('id') ?? '');
    return c.json({ id, object: 'stream.cancellation', cancelled: await parts.queue.cancel(id, tenant) });
  });
}

/** Options of the original request that the stream does not record, so the client must repeat them. */
async function resume(parts: GatewayParts, c: GatewayContext, idText: string): Promise<Response> {
  const { id, kind, createdAtMs, model, ended } = await ownStream(parts, c, idText);
  const query = parseQuery(streamQuerySchema, c);
  const afterSeq = readLastEventId(c.req.header('last-event-id') ?? query.last_event_id);
  if (ended) await refuseBeyondEnd(parts, id, afterSeq);
  const includeUsage = query.include_usage === 'true' || query.include_usage === '1';
  const served = await parts.models.find(model);
  const tokenBytes = (token: number) => served?.tokenBytes(token) ?? new Uint8Array();
  const view = {
    id,
    kind: kind === 'text' ? kind : ('chat' as const),
    created: Math.floor(createdAtMs / 1000),
    model,
    fingerprint: served?.fingerprint ?? null,
    reading: await parts.findReading(id),
    tokenBytes,
  };
  const entries: Entries = (signal) => parts.streams.follow(id, 1, signal);
  const format = chunkFormat({ ...view, includeUsage, afterSeq });
  return answerWithStream(parts, c, { view, entries, format, afterSeq });
}

async function refuseBeyondEnd(parts: GatewayParts, id: string, afterSeq: number): Promise<void> {
  const error = beyondEnd(afterSeq, await parts.streams.length(id));
  if (error !== undefined) throw error;
}

async function ownStream(parts: GatewayParts, c: GatewayContext, id: string) {
  const { principal } = await admitReader(parts, c);
  const named = readRequestId(id);
  const record: GenerationRecord | null = named === undefined ? null : await parts.findGeneration(id);
  if (named === undefined || record === null || record.tenant !== principal.tenant) {
    throw new DomainError('not_found', 'No stream has this id, or it has expired.', { param: 'id' });
  }
  return { ...named, id, model: record.model, tenant: record.tenant, ended: record.state === 'ended' };
}
