// /admin/api/tenants, /keys and /audit: who may use the system, and who changed what. A key's text appears in one answer, once.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { MAX_WEIGHT, MIN_WEIGHT } from '../../infra/redis/fair-limits.ts';
import { SCOPES } from '../../infra/tenants/scope.ts';
import type { TenantPolicy } from '../../infra/tenants/tenant-store.ts';
import { audited } from '../admin/audited.ts';
import { requireOperatorBeside } from '../admin/keep-operator.ts';
import { readPage } from '../admin/read-page.ts';
import { requireScope } from '../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';
import { parseBody } from '../request/parse-body.ts';
import { readJsonBody } from '../request/read-json-body.ts';

const policyFields = {
  weight: z.number().min(MIN_WEIGHT).max(MAX_WEIGHT).optional(),
  maxWaiting: z.int().min(1).max(1_000_000).optional(),
  requestsPerMinute: z.int().min(0).max(10_000_000).optional().describe('0 sets no limit.'),
  models: z.array(z.string().min(1)).max(1000).nullable().optional().describe('null allows every model.'),
  blocked: z.boolean().optional(),
};

export const newTenantSchema = z.strictObject({ id: z.string(), ...policyFields }).openapi('NewTenant');
export const tenantChangeSchema = z.strictObject(policyFields).openapi('TenantChange');
export const newKeySchema = z
  .strictObject({
    tenant: z.string(),
    name: z.string().max(200).default(''),
    scopes: z.array(z.enum(SCOPES)).min(1).default(['chat']),
    expiresAtMs: z.int().min(1).nullable().default(null).describe('Unix time in ms.'),
  })
  .openapi('NewKey');

type App = OpenAPIHono<GatewayEnv>;

/** Adds the routes; the caller has authenticated and holds admin:read. */
export function addTenantAdminRoutes(app: App, parts: GatewayParts): void {
  app.get('/admin/api/tenants', async (c) => c.json({ object: 'list', data: await parts.tenants.list() }));
  app.post('/admin/api/tenants', (c) => createTenant(parts, c));
  app.patch('/admin/api/tenants/:id{.+}', (c) => changeTenant(parts, c, c.req.param('id')));
  app.delete('/admin/api/tenants/:id{.+}', (c) => blockTenant(parts, c, c.req.param('id')));
  app.get('/admin/api/keys', async (c) => {
    return c.json({ object: 'list', data: await parts.keys.list(c.req.query('tenant')) });
  });
  app.post('/admin/api/keys', (c) => createKey(parts, c));
  app.delete('/admin/api/keys/:prefix', (c) => revokeKey(parts, c, c.req.param('prefix')));
  app.get('/admin/api/audit', async (c) => {
    const { limit, after } = readPage(c);
    const data = await parts.audit.page(limit, after ?? undefined);
    return c.json({ object: 'list', data, next: data.length === limit ? data.at(-1)?.id : null });
  });
}

async function createTenant(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  const { id, ...policy } = parseBody(newTenantSchema, await readBody(parts, c));
  const change = { action: 'tenant.create', target: id };
  return c.json(await audited(parts, c, change, () => parts.tenants.create(id, given(policy), parts.clock())), 201);
}

async function changeTenant(parts: GatewayParts, c: GatewayContext, id: string): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  const policy = given(parseBody(tenantChangeSchema, await readBody(parts, c)));
  const by = c.get('principal').tenant;
  const change = { action: 'tenant.set', target: id };
  const tenant = await audited(parts, c, change, () => parts.tenants.set(id, policy, parts.clock(), by));
  if (policy.weight !== undefined) await reweigh(parts, id, policy.weight);
  return c.json(tenant);
}

/** A tenant's past stays on record, so it is blocked rather than forgotten; PATCH takes that back. */
async function blockTenant(parts: GatewayParts, c: GatewayContext, id: string): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  const by = c.get('principal').tenant;
  const change = { action: 'tenant.revoke', target: id };
  return c.json(await audited(parts, c, change, () => parts.tenants.set(id, { blocked: true }, parts.clock(), by)));
}

async function createKey(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  const options = parseBody(newKeySchema, await readBody(parts, c));
  if ((await parts.tenants.find(options.tenant)) === undefined || options.tenant.includes('/')) {
    const message = `There is no tenant '${options.tenant}' with API keys; create it first.`;
    throw new DomainError('not_found', message, { param: 'tenant' });
  }
  const change = { action: 'key.create', target: options.tenant };
  return c.json(await audited(parts, c, change, () => parts.keys.create(options, parts.clock())), 201);
}

async function revokeKey(parts: GatewayParts, c: GatewayContext, prefix: string): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  const change = { action: 'key.revoke', target: prefix };
  const revoke = async () => {
    await requireOperatorBeside(parts, prefix);
    return parts.keys.revoke(prefix, parts.clock());
  };
  return c.json(await audited(parts, c, change, revoke));
}

/** Requests that wait already are dispatched by the new weight too. */
async function reweigh(parts: GatewayParts, tenant: string, weight: number): Promise<void> {
  const queues = (await parts.operations.queues()).filter((queue) => queue.tenant === tenant);
  await Promise.all(queues.map(({ queue }) => parts.operations.control.setWeight(queue, weight)));
}

async function readBody(parts: GatewayParts, c: GatewayContext): Promise<unknown> {
  return (await readJsonBody(c.req.raw, parts.config.limits)).value;
}

function given(
  policy: { readonly [Field in keyof TenantPolicy]?: TenantPolicy[Field] | undefined },
): Partial<TenantPolicy> {
  return Object.fromEntries(Object.entries(policy).filter(([, value]) => value !== undefined));
}
