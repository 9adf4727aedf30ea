// The authenticated caller. Authorization depends on it alone, never on the request's body.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { TENANT_BLOCKED } from '../../infra/redis/script-errors.ts';
import type { Scope } from '../../infra/tenants/scope.ts';
import type { TenantPolicy } from '../../infra/tenants/tenant-store.ts';

export interface Principal {
  /** `<name>` or `<issuer name>/<claim>`. */
  readonly tenant: string;
  /** `key:<prefix>`, or the issuer's name and the token's `sub`. */
  readonly subject: string;
  readonly scopes: readonly Scope[];
}

/** A principal with the current policy of its tenant. */
export interface Caller {
  readonly principal: Principal;
  readonly policy: TenantPolicy;
}

/** @throws DomainError `insufficient_scope` if an operator has blocked the tenant. */
export function refuseBlocked(policy: TenantPolicy): void {
  if (policy.blocked) throw new DomainError('insufficient_scope', TENANT_BLOCKED);
}

/** @throws DomainError `insufficient_scope` naming the missing scope. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.includes(scope)) return;
  throw new DomainError('insufficient_scope', `This credential lacks the scope '${scope}'. Use a key that has it.`);
}
