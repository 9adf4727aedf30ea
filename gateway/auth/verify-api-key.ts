// API key -> Principal, by a look-up of its prefix and a constant-time comparison of its keyed hash.
import type { KeyStore } from '../../infra/tenants/key-store.ts';
import type { Principal } from './principal.ts';

/** The principal of a genuine, unexpired, unrevoked key. @throws DomainError `unavailable` when Redis is away. */
export async function verifyApiKey(keys: KeyStore, text: string, nowMs: number): Promise<Principal | undefined> {
  const record = await keys.verify(text, nowMs);
  if (record === undefined) return undefined;
  return { tenant: record.tenant, subject: `key:${record.prefix}`, scopes: record.scopes };
}
