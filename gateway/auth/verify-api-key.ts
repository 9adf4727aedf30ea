// API key -> caller, by a look-up of its prefix and a constant-time comparison of its keyed hash.
import type { KeyStore } from '../../infra/tenants/key-store.ts';
import type { TenantStore } from '../../infra/tenants/tenant-store.ts';
import type { Caller } from './principal.ts';

/** The owner of a genuine, unexpired, unrevoked key. @throws DomainError `unavailable` if Redis is unreachable. */
export async function verifyApiKey(
  keys: KeyStore,
  tenants: TenantStore,
  text: string,
  nowMs: number,
): Promise<Caller | undefined> {
  const record = await keys.verify(text, nowMs);
  if (record === undefined) return undefined;
  const { tenant, prefix, scopes, tenantSettings } = record;
  return { principal: { tenant, subject: `key:${prefix}`, scopes }, policy: tenants.policyOf(tenantSettings) };
}
