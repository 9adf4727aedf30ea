// /openapi.json, from the zod schemas that requests are checked against. A test holds its paths against the app's routes.
import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import type { GatewayEnv } from '../environment.ts';
import { chatCompletionSchema } from '../request/chat-completion-schema.ts';
import { completionSchema } from '../request/completion-schema.ts';
import { newKeySchema, newTenantSchema, tenantChangeSchema } from './admin-tenants.ts';

const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.string(),
    }),
  })
  .openapi('Error');

const anyObject = z.record(z.string(), z.unknown());

/** Adds the route and everything it lists. */
export function addOpenApiRoute(app: OpenAPIHono<GatewayEnv>): void {
  const registry = app.openAPIRegistry;
  registry.registerComponent('securitySchemes', 'key', { type: 'http', scheme: 'bearer' });
  for (const route of ROUTES) registry.registerPath(toRouteConfig(route));
  const info = { title: 'Conclave', version: '1', description: 'OpenAI-compatible API, and the administration of it.' };
  app.doc31('/openapi.json', { openapi: '3.1.0', info, security: [{ key: [] }] });
}

interface Route {
  readonly method: RouteConfig['method'];
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  /** What the answer is besides JSON. */
  readonly alsoAs?: string;
  readonly open?: true;
}

const ROUTES: readonly Route[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    summary: 'Answers a conversation.',
    body: chatCompletionSchema,
    alsoAs: 'text/event-stream',
  },
  {
    method: 'post',
    path: '/v1/completions',
    summary: 'Continues a text.',
    body: completionSchema,
    alsoAs: 'text/event-stream',
  },
  { method: 'get', path: '/v1/models', summary: 'Models that are served now.' },
  { method: 'get', path: '/v1/models/{id}', summary: 'One model.' },
  {
    method: 'get',
    path: '/v1/streams/{id}',
    summary: 'Resumes a stream after Last-Event-ID.',
    alsoAs: 'text/event-stream',
  },
  { method: 'delete', path: '/v1/streams/{id}', summary: 'Cancels a generation.' },
  { method: 'get', path: '/healthz', summary: 'The process answers.', open: true },
  { method: 'get', path: '/readyz', summary: 'Whether it can serve, or why not.', open: true },
  { method: 'get', path: '/metrics', summary: 'Prometheus metrics.', alsoAs: 'text/plain' },
  { method: 'get', path: '/admin/api/queues', summary: 'Queues with counts, rates and oldest wait.' },
  { method: 'get', path: '/admin/api/queues/{queue}', summary: 'One queue.' },
  { method: 'post', path: '/admin/api/queues/{queue}/pause', summary: 'Dispatches nothing more from a queue.' },
  { method: 'post', path: '/admin/api/queues/{queue}/resume', summary: 'Dispatches from a queue again.' },
  { method: 'post', path: '/admin/api/queues/{queue}/drain', summary: 'Refuses new requests to a queue.' },
  { method: 'post', path: '/admin/api/queues/{queue}/reopen', summary: 'Accepts new requests again.' },
  { method: 'get', path: '/admin/api/jobs', summary: 'Jobs by state, paged.' },
  { method: 'get', path: '/admin/api/jobs/{id}', summary: 'One job, without its content.' },
  { method: 'post', path: '/admin/api/jobs/{id}/cancel', summary: 'Stops a job.' },
  { method: 'post', path: '/admin/api/jobs/{id}/retry', summary: 'Queues a failed job again, under a new id.' },
  { method: 'get', path: '/admin/api/nodes', summary: 'Living nodes.' },
  { method: 'get', path: '/admin/api/groups', summary: 'Groups of nodes: leader, plan in force, what they wait for.' },
  { method: 'get', path: '/admin/api/groups/{group}/plans', summary: 'Plans of a group by epoch, newest first.' },
  {
    method: 'get',
    path: '/admin/api/groups/{group}/experts',
    summary: 'Who holds and computes each expert, and the load of each by layer.',
  },
  { method: 'get', path: '/admin/api/tenants', summary: 'Tenants with a record.' },
  { method: 'post', path: '/admin/api/tenants', summary: 'Creates a tenant.', body: newTenantSchema },
  {
    method: 'patch',
    path: '/admin/api/tenants/{id}',
    summary: 'Changes what rules a tenant.',
    body: tenantChangeSchema,
  },
  { method: 'delete', path: '/admin/api/tenants/{id}', summary: 'Blocks a tenant.' },
  { method: 'get', path: '/admin/api/keys', summary: 'API keys, without their secrets.' },
  {
    method: 'post',
    path: '/admin/api/keys',
    summary: 'Makes an API key; the answer shows it once.',
    body: newKeySchema,
  },
  { method: 'delete', path: '/admin/api/keys/{prefix}', summary: 'Revokes an API key at once.' },
  { method: 'get', path: '/admin/api/audit', summary: 'Changes that operators made, newest first.' },
];

function toRouteConfig({ method, path, summary, body, alsoAs, open }: Route): RouteConfig {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const params = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const content = { 'application/json': { schema: anyObject }, ...(alsoAs && { [alsoAs]: { schema: z.string() } }) };
  return {
    method,
    path,
    summary,
    ...(open && { security: [] }),
    request: {
      ...(names.length > 0 && { params }),
      ...(body && { body: { required: true, content: { 'application/json': { schema: body } } } }),
    },
    responses: {
      200: { description: 'Success', content },
      default: { description: 'Refused or failed', content: { 'application/json': { schema: errorSchema } } },
    },
  };
}
