// /v1/batches: create, list, get, cancel. A batch is its tenant's alone.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { makeFileId } from '../files/upload.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import type { GatewayParts } from '../parts.ts';
import { admitReader } from '../request/admit-generation.ts';
import { parseBody } from '../request/parse-body.ts';
import { parseQuery } from '../request/parse-query.ts';
import { jsonBodyOf } from '../request/read-ahead.ts';
import { batchListSchema, batchObject, batchSchema } from './batch-answers.ts';
import type { Batch } from './batch-store.ts';

const DAY_MS = 24 * 3_600_000;

const createSchema = z
  .strictObject({
    input_file_id: z.string().min(1).max(256),
    endpoint: z.enum(['/v1/chat/completions', '/v1/completions', '/v1/responses']),
    completion_window: z.literal('24h'),
    metadata: z.record(z.string().max(64), z.string().max(512)).nullish(),
    output_expires_after: z.unknown().optional().describe("Taken; the server's own retention applies."),
  })
  .openapi('BatchRequest');

const listQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/)
    .optional()
    .describe('1 to 100; default 20.'),
  after: z.string().max(256).optional().describe('Id of the last batch of the page before.'),
});

const CREATE: RouteDeclaration = {
  method: 'post',
  path: '/v1/batches',
  operationId: 'createBatch',
  summary: 'Runs the requests of a file when no other request waits.',
  access: 'tenant',
  request: { body: { required: true, content: { 'application/json': { schema: createSchema } } } },
  responses: { 200: jsonAnswer('The batch.', batchSchema) },
  errors: ['not_found', 'payload_too_large', 'unsupported_media_type', 'queue_full'],
};

const LIST: RouteDeclaration = {
  method: 'get',
  path: '/v1/batches',
  operationId: 'listBatches',
  summary: "The tenant's batches, the newest first.",
  access: 'tenant',
  request: { query: listQuery },
  responses: { 200: jsonAnswer('A page of them.', batchListSchema) },
};

const GET: RouteDeclaration = {
  method: 'get',
  path: '/v1/batches/{id}',
  operationId: 'getBatch',
  summary: 'One batch.',
  access: 'tenant',
  responses: { 200: jsonAnswer('The batch.', batchSchema) },
  errors: ['not_found'],
};

const CANCEL: RouteDeclaration = {
  method: 'post',
  path: '/v1/batches/{id}/cancel',
  operationId: 'cancelBatch',
  summary: 'Stops a batch; the results so far are kept.',
  access: 'tenant',
  responses: { 200: jsonAnswer('The batch.', batchSchema) },
  errors: ['not_found', 'conflict'],
};

/** Adds the endpoints of batches. */
export function addBatchRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  addRoute(app, CREATE, (c) => create(parts, c));
  addRoute(app, LIST, (c) => list(parts, c));
  addRoute(app, GET, async (c) => c.json(batchObject(await own(parts, c))));
  addRoute(app, CANCEL, (c) => cancel(parts, c));
}

async function create(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { principal } = await admitReader(parts, c);
  const body = parseBody(createSchema, (await jsonBodyOf(c, parts.config.limits)).value);
  await ownInput(parts, principal.tenant, body.input_file_id);
  const id = `batch_${Buffer.from(parts.random(12)).toString('hex')}`;
  const createdAtMs = parts.clock();
  await parts.batches.create({
    id,
    tenant: principal.tenant,
    endpoint: body.endpoint,
    inputFileId: body.input_file_id,
    outputFileId: makeFileId(parts.random),
    errorFileId: makeFileId(parts.random),
    metadata: body.metadata ?? null,
    createdAtMs,
    expiresAtMs: createdAtMs + DAY_MS,
  });
  return c.json(batchObject(await parts.batches.find(id, principal.tenant)));
}

async function ownInput({ files }: GatewayParts, tenant: string, id: string): Promise<void> {
  await files.find(id, tenant).catch((error: unknown) => {
    if (!(error instanceof DomainError) || error.code !== 'not_found') throw error;
    throw new DomainError('not_found', error.message, { param: 'input_file_id' });
  });
}

async function own(parts: GatewayParts, c: GatewayContext): Promise<Batch> {
  const { principal } = await admitReader(parts, c);
  return parts.batches.find(c.req.param('id') ?? '', principal.tenant);
}

async function list(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { principal } = await admitReader(parts, c);
  const { limit = '20', after } = parseQuery(listQuery, c);
  const batches = await parts.batches.list(principal.tenant);
  const first = after === undefined ? 0 : batches.findIndex(({ id }) => id === after) + 1;
  const data = batches.slice(first, first + Number(limit)).map(batchObject);
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return c.json({ object: 'list', data, ...ends, has_more: first + data.length < batches.length });
}

async function cancel(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { id, tenant } = await own(parts, c);
  await parts.batches.move(id, ['validating', 'in_progress'], 'cancelling');
  const batch = await parts.batches.find(id, tenant);
  if (batch.status === 'cancelling' || batch.status === 'cancelled') return c.json(batchObject(batch));
  throw new DomainError('conflict', `The batch cannot be cancelled any more: its status is ${batch.status}.`);
}
