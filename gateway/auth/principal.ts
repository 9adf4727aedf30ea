// Who is calling, after authentication. Everything that follows decides by this and never by the request's body.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { Scope } from '../../infra/tenants/scope.ts';

export interface Principal {
  /** `<name>` or `<issuer name>/<claim>`. */
  readonly tenant: string;
  /** `key:<prefix>`, or the issuer's name and the token's `sub`. */
  readonly subject: string;
  readonly scopes: readonly Scope[];
}

/** @throws DomainError `insufficient_scope` naming the scope that is missing. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (principal.scopes.includes(scope)) return;
  throw new DomainError('insufficient_scope', `This credential lacks the scope '${scope}'.`);
}
