// /v1/files: upload, list, get, read, delete. A file is its tenant's alone.
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { jsonAnswer } from '../openapi/answers.ts';
import { addRoute, type RouteDeclaration } from '../openapi/declare-route.ts';
import type { GatewayParts } from '../parts.ts';
import { admitReader } from '../request/admit-generation.ts';
import { parseQuery } from '../request/parse-query.ts';
import type { StoredFile } from './file-store.ts';
import { uploadFile } from './upload.ts';

const fileSchema = z
  .object({
    id: z.string(),
    object: z.literal('file'),
    bytes: z.int().min(0),
    created_at: z.int().min(0).describe('Unix time in seconds.'),
    expires_at: z.int().min(0),
    filename: z.string(),
    purpose: z.enum(['batch', 'batch_output']),
    status: z.literal('processed'),
  })
  .openapi('File');

const fileListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(fileSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .openapi('FileList');

const deletedSchema = z
  .object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) })
  .openapi('DeletedFile');

const uploadSchema = z.object({
  file: z.string().openapi({ format: 'binary' }),
  purpose: z.literal('batch'),
});

const listQuery = z.strictObject({
  purpose: z.string().max(64).optional(),
  limit: z
    .string()
    .regex(/^\d{1,5}$/)
    .optional()
    .describe('Default: 10,000.'),
  order: z.enum(['asc', 'desc']).optional().describe('Default: desc, the newest first.'),
  after: z.string().max(256).optional().describe('Id of the last file of the page before.'),
});

const UPLOAD: RouteDeclaration = {
  method: 'post',
  path: '/v1/files',
  operationId: 'uploadFile',
  summary: 'Uploads a file of batch requests, one JSON object a line.',
  access: 'tenant',
  request: { body: { required: true, content: { 'multipart/form-data': { schema: uploadSchema } } } },
  responses: { 200: jsonAnswer('The file.', fileSchema) },
  errors: ['payload_too_large', 'unsupported_media_type'],
};

const LIST: RouteDeclaration = {
  method: 'get',
  path: '/v1/files',
  operationId: 'listFiles',
  summary: "The tenant's files.",
  access: 'tenant',
  request: { query: listQuery },
  responses: { 200: jsonAnswer('A page of them.', fileListSchema) },
};

const GET: RouteDeclaration = {
  method: 'get',
  path: '/v1/files/{id}',
  operationId: 'getFile',
  summary: 'One file.',
  access: 'tenant',
  responses: { 200: jsonAnswer('The file.', fileSchema) },
  errors: ['not_found'],
};

const CONTENT: RouteDeclaration = {
  method: 'get',
  path: '/v1/files/{id}/content',
  operationId: 'readFile',
  summary: 'The bytes of a file.',
  access: 'tenant',
  responses: {
    200: {
      description: 'Its bytes.',
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    },
  },
  errors: ['not_found'],
};

const DELETE: RouteDeclaration = {
  method: 'delete',
  path: '/v1/files/{id}',
  operationId: 'deleteFile',
  summary: 'Deletes a file.',
  access: 'tenant',
  responses: { 200: jsonAnswer('It was deleted.', deletedSchema) },
  errors: ['not_found'],
};

/** Adds the endpoints of files. */
export function addFileRoutes(app: OpenAPIHono<GatewayEnv>, parts: GatewayParts): void {
  addRoute(app, UPLOAD, async (c) => {
    const { principal } = await admitReader(parts, c);
    return c.json(fileObject(await uploadFile(parts, c, principal.tenant)));
  });
  addRoute(app, LIST, (c) => list(parts, c));
  addRoute(app, GET, async (c) => c.json(fileObject(await own(parts, c))));
  addRoute(app, CONTENT, async (c) => {
    const { id, bytes } = await own(parts, c);
    const body = Readable.toWeb(Readable.from(parts.files.read(id))) as ReadableStream<Uint8Array>;
    return c.body(body, 200, { 'content-type': 'application/octet-stream', 'content-length': String(bytes) });
  });
  addRoute(app, DELETE, async (c) => {
    const { id, tenant } = await own(parts, c);
    await parts.files.remove(id, tenant);
    return c.json({ id, object: 'file', deleted: true });
  });
}

async function own(parts: GatewayParts, c: GatewayContext): Promise<StoredFile> {
  const { principal } = await admitReader(parts, c);
  return parts.files.find(c.req.param('id') ?? '', principal.tenant);
}

async function list(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  const { principal } = await admitReader(parts, c);
  const { purpose, limit = '10000', order, after } = parseQuery(listQuery, c);
  const files = (await parts.files.list(principal.tenant)).filter(
    (file) => purpose === undefined || file.purpose === purpose,
  );
  const ordered = order === 'asc' ? [...files].reverse() : files;
  const first = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  const data = ordered.slice(first, first + Number(limit)).map(fileObject);
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return c.json({ object: 'list', data, ...ends, has_more: first + data.length < ordered.length });
}

function fileObject({ id, bytes, createdAtMs, expiresAtMs, filename, purpose }: StoredFile) {
  const times = { created_at: Math.floor(createdAtMs / 1000), expires_at: Math.floor(expiresAtMs / 1000) };
  return { id, object: 'file', bytes, ...times, filename, purpose, status: 'processed' };
}
