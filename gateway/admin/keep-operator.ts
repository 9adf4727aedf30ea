// Revoking a key must leave another one with admin:write; otherwise only the command line on Redis could create a new one.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { isActive } from '../../infra/tenants/key-store.ts';
import type { GatewayParts } from '../parts.ts';

/**
 * Passes if the system can be administered without the key of this prefix: with another valid key with admin:write, of a tenant
 * that is not blocked, or through a JWT issuer that may grant the scope. @throws DomainError `conflict` otherwise.
 */
export async function requireOperatorBeside(parts: GatewayParts, prefix: string): Promise<void> {
  if (parts.config.auth.jwt.some(({ scopes }) => scopes.includes('admin:write'))) return;
  const working = (await parts.keys.list()).filter(
    (key) => key.scopes.includes('admin:write') && isActive(key, parts.clock()),
  );
  if (working.every((key) => key.prefix !== prefix)) return;
  for (const { tenant } of working.filter((key) => key.prefix !== prefix)) {
    if (!(await parts.tenants.policy(tenant)).blocked) return;
  }
  const message = 'This is the last valid key with admin:write. Create another one before you revoke it.';
  throw new DomainError('conflict', message, { param: 'prefix' });
}
