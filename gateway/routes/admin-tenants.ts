// /admin/api/tenants, /keys and /audit: tenants, API keys and the audit log. Only the answer that creates a key contains it.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { MAX_WEIGHT, MIN_WEIGHT } from '../../infra/redis/fair-limits.ts';
import { SCOPES } from '../../infra/tenants/scope.ts';
import type { TenantPolicy, TenantRecord } from '../../infra/tenants/tenant-store.ts';
import { changingRoute, readingRoute } from '../admin/admin-route.ts';
import { audited } from '../admin/audited.ts';
import { requireOperatorBeside } from '../admin/keep-operator.ts';
import { pageQuerySchema } from '../admin/read-page.ts';
import { requireScope } from '../auth/principal.ts';
import type { GatewayContext, GatewayEnv } from '../environment.ts';
import { listOf, pageOf } from '../openapi/answers.ts';
import { addRoute } from '../openapi/declare-route.ts';
import type { GatewayParts } from '../parts.ts';
import { parseBody } from '../request/parse-body.ts';
import { parseQuery } from '../request/parse-query.ts';
import { readJsonBody } from '../request/read-json-body.ts';
import { auditEntrySchema, keySchema, madeKeySchema, tenantSchema } from './admin-answers.ts';

const policyFields = {
  weight: z.number().min(MIN_WEIGHT).max(MAX_WEIGHT).optional(),
  maxWaiting: z.int().min(1).max(1_000_000).optional(),
  requestsPerMinute: z.int().min(0).max(10_000_000).optional().describe('0 sets no limit.'),
  models: z.array(z.string().min(1)).max(1000).nullable().optional().describe('null allows every model.'),
  blocked: z.boolean().optional(),
};

const newTenantSchema = z.strictObject({ id: z.string(), ...policyFields }).openapi('NewTenant');
const tenantChangeSchema = z.strictObject(policyFields).openapi('TenantChange');
const newKeySchema = z
  .strictObject({
    tenant: z.string(),
    name: z.string().max(200).default(''),
    scopes: z.array(z.enum(SCOPES)).min(1).default(['chat']),
    expiresAtMs: z.int().min(1).nullable().default(null).describe('Unix time in ms.'),
  })
  .openapi('NewKey');

const keyFilterSchema = z.strictObject({ tenant: z.string().optional() });

const LIST_TENANTS = readingRoute('/tenants', {
  operationId: 'listTenants',
  summary: 'Tenants with a record.',
  answer: listOf(tenantSchema),
});

const CREATE_TENANT = changingRoute('/tenants', {
  method: 'post',
  operationId: 'createTenant',
  summary: 'Creates a tenant.',
  body: newTenantSchema,
  answer: tenantSchema,
  status: 201,
  errors: ['conflict'],
});

const CHANGE_TENANT = changingRoute('/tenants/{id}', {
  method: 'patch',
  operationId: 'changeTenant',
  summary: 'Changes the settings of a tenant. Its id may contain a slash.',
  body: tenantChangeSchema,
  answer: tenantSchema,
  errors: ['not_found', 'conflict'],
  wideParameter: 'id',
});

const BLOCK_TENANT = changingRoute('/tenants/{id}', {
  method: 'delete',
  operationId: 'blockTenant',
  summary: 'Blocks a tenant and cancels its requests; PATCH with `blocked: false` unblocks it.',
  answer: tenantSchema,
  errors: ['not_found', 'conflict'],
  wideParameter: 'id',
});

const LIST_KEYS = readingRoute('/keys', {
  operationId: 'listKeys',
  summary: 'API keys, without their secrets.',
  query: keyFilterSchema,
  answer: listOf(keySchema),
});

const CREATE_KEY = changingRoute('/keys', {
  method: 'post',
  operationId: 'createKey',
  summary: 'Creates an API key, which is shown only in this answer.',
  body: newKeySchema,
  answer: madeKeySchema,
  status: 201,
  errors: ['not_found', 'conflict'],
});

const REVOKE_KEY = changingRoute('/keys/{prefix}', {
  method: 'delete',
  operationId: 'revokeKey',
  summary: 'Revokes an API key with immediate effect.',
  answer: keySchema,
  errors: ['not_found', 'conflict'],
});

const LIST_CHANGES = readingRoute('/audit', {
  operationId: 'listChanges',
  summary: 'Changes made by operators, newest first.',
  query: pageQuerySchema,
  answer: pageOf(auditEntrySchema),
});

type App = OpenAPIHono<GatewayEnv>;

/** Adds the routes; the caller has authenticated and holds admin:read. */
export function addTenantAdminRoutes(app: App, parts: GatewayParts): void {
  addRoute(app, LIST_TENANTS, async (c) => c.json({ object: 'list', data: await parts.tenants.list() }));
  addRoute(app, CREATE_TENANT, (c) => createTenant(parts, c));
  addRoute(app, CHANGE_TENANT, (c) => changeTenant(parts, c, c.req.param('id') ?? ''));
  addRoute(app, BLOCK_TENANT, (c) => blockTenant(parts, c, c.req.param('id') ?? ''));
  addRoute(app, LIST_KEYS, async (c) => {
    return c.json({ object: 'list', data: await parts.keys.list(parseQuery(keyFilterSchema, c).tenant) });
  });
  addRoute(app, CREATE_KEY, (c) => createKey(parts, c));
  addRoute(app, REVOKE_KEY, (c) => revokeKey(parts, c, c.req.param('prefix') ?? ''));
  addRoute(app, LIST_CHANGES, async (c) => {
    const { limit, after } = parseQuery(pageQuerySchema, c);
    const data = await parts.audit.page(limit, after);
    return c.json({ object: 'list', data, next: data.length === limit ? (data.at(-1)?.id ?? null) : null });
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
  const tenant = await setTenant(parts, c, { action: 'tenant.set', target: id }, policy);
  if (policy.weight !== undefined) await reweigh(parts, id, policy.weight);
  return c.json(tenant);
}

/** A tenant's past stays on record, so it is blocked rather than forgotten; PATCH takes that back. */
async function blockTenant(parts: GatewayParts, c: GatewayContext, id: string): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  return c.json(await setTenant(parts, c, { action: 'tenant.revoke', target: id }, { blocked: true }));
}

/** Blocking a tenant also cancels its waiting and running requests. */
function setTenant(
  parts: GatewayParts,
  c: GatewayContext,
  change: { readonly action: string; readonly target: string },
  policy: Partial<TenantPolicy>,
): Promise<TenantRecord> {
  const by = c.get('principal').tenant;
  return audited(parts, c, change, async () => {
    const tenant = await parts.tenants.set(change.target, policy, parts.clock(), by);
    if (policy.blocked === true) await parts.operations.control.cancelTenant(change.target);
    return tenant;
  });
}

async function createKey(parts: GatewayParts, c: GatewayContext): Promise<Response> {
  requireScope(c.get('principal'), 'admin:write');
  const options = parseBody(newKeySchema, await readBody(parts, c));
  if ((await parts.tenants.find(options.tenant)) === undefined || options.tenant.includes('/')) {
    const message = `Tenant '${options.tenant}' does not exist. Create it first.`;
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
