// Checks before the body is parsed, and the limits of the tenant's policy.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { TenantPolicy } from '../../infra/tenants/tenant-store.ts';
import { type Caller, requireScope } from '../auth/principal.ts';
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts, ServedModel } from '../parts.ts';

/**
 * Admits the caller of a generation endpoint and counts the request against its rate.
 * @throws DomainError `insufficient_scope`, `rate_limit_exceeded` or `unavailable`.
 */
export async function admitGeneration(parts: GatewayParts, c: GatewayContext): Promise<Caller> {
  const caller = requireTenant(c);
  const { headers, refusal } = await parts.rateLimit.count(caller.principal.tenant, caller.policy.requestsPerMinute);
  setHeaders(c, headers);
  if (refusal !== null) throw refusal;
  return caller;
}

/**
 * Admits the caller of an endpoint that generates nothing. The answer has rate-limit headers, but the request does not count.
 * @throws DomainError `insufficient_scope` or `unavailable`.
 */
export async function admitReader(parts: GatewayParts, c: GatewayContext): Promise<Caller> {
  const caller = requireTenant(c);
  setHeaders(c, (await parts.rateLimit.read(caller.principal.tenant, caller.policy.requestsPerMinute)).headers);
  return caller;
}

function setHeaders(c: GatewayContext, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
}

/** @throws DomainError `insufficient_scope`. */
function requireTenant(c: GatewayContext): Caller {
  const principal = c.get('principal');
  requireScope(principal, 'chat');
  return { principal, policy: c.get('policy') };
}

/** True if a tenant may use, and therefore see, a model. */
export function mayUseModel(policy: TenantPolicy, name: string): boolean {
  return policy.models === null || policy.models.includes(name);
}

/** @throws DomainError `model_not_found`, also for a model that the tenant may not use: it learns nothing of it. */
export async function findModel(parts: GatewayParts, policy: TenantPolicy, name: string): Promise<ServedModel> {
  const model = mayUseModel(policy, name) ? await parts.models.find(name) : undefined;
  if (model !== undefined) return model;
  const message = `The model '${name.slice(0, 128)}' does not exist or you do not have access to it.`;
  throw new DomainError('model_not_found', message, { param: 'model' });
}
