// Browser sessions for /admin: a page cannot send headers when it navigates. The cookie names an API key's prefix and an
// expiry under a MAC; the key's record is read on every use, so revoking the key, or blocking its tenant, ends its sessions at once.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyStore } from '../../infra/tenants/key-store.ts';
import type { TenantStore } from '../../infra/tenants/tenant-store.ts';
import type { Principal } from './principal.ts';

export const SESSION_COOKIE = 'cv_session';
const SHAPE = /^([0-9A-Za-z]{12})\.(\d{1,15})\.([0-9a-f]{64})$/;

export interface Sessions {
  /** The cookie's value for a key that is valid now, else undefined. */
  open(keyText: string, nowMs: number): Promise<string | undefined>;
  /** The principal of a cookie; undefined if it is expired or forged, its key is no longer valid or its tenant is blocked. */
  read(cookie: string, nowMs: number): Promise<Principal | undefined>;
}

/** Sessions of `seconds`, signed with a key derived from the pepper. */
export function createSessions(keys: KeyStore, tenants: TenantStore, pepper: Uint8Array, seconds: number): Sessions {
  const macKey = createHmac('sha256', pepper).update('admin session').digest();
  const sign = (text: string) => createHmac('sha256', macKey).update(text).digest('hex');
  return {
    open: async (keyText, nowMs) => {
      const record = await keys.verify(keyText, nowMs);
      if (record === undefined) return undefined;
      const text = `${record.prefix}.${nowMs + seconds * 1000}`;
      return `${text}.${sign(text)}`;
    },
    read: async (cookie, nowMs) => {
      const [, prefix = '', expiresAtMs = '', mac = ''] = SHAPE.exec(cookie) ?? [];
      const genuine = mac !== '' && timingSafeEqual(Buffer.from(mac), Buffer.from(sign(`${prefix}.${expiresAtMs}`)));
      if (!genuine || Number(expiresAtMs) <= nowMs) return undefined;
      const record = await keys.findActive(prefix, nowMs);
      if (record === undefined || tenants.policyOf(record.tenantSettings).blocked) return undefined;
      return { tenant: record.tenant, subject: `key:${prefix}`, scopes: record.scopes };
    },
  };
}
