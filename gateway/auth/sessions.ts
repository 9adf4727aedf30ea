// Browser sessions for /admin: a page cannot send headers when it navigates. The cookie holds an API key's prefix, an expiry and
// a session id under a MAC. The key's record is read on every use, so revoking the key, blocking its tenant or signing out ends a
// session with the next request.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { KeyStore } from '../../infra/tenants/key-store.ts';
import type { TenantStore } from '../../infra/tenants/tenant-store.ts';
import type { EndedSessions } from './ended-sessions.ts';
import type { Principal } from './principal.ts';

export const SESSION_COOKIE = 'cv_session';
const SHAPE = /^([0-9A-Za-z]{12})\.(\d{1,15})\.([0-9a-f]{16})\.([0-9a-f]{64})$/;

export interface Sessions {
  /** The cookie's value for a valid key; otherwise undefined. */
  open(keyText: string, nowMs: number): Promise<string | undefined>;
  /**
   * The principal of a cookie; undefined if it is expired, forged or signed out, its key is no longer valid or its tenant is
   * blocked.
   */
  read(cookie: string, nowMs: number): Promise<Principal | undefined>;
  /** Ends the session of a cookie on all gateways; a cookie without a session changes nothing. */
  close(cookie: string, nowMs: number): Promise<void>;
}

interface SessionParts {
  readonly keys: KeyStore;
  readonly tenants: TenantStore;
  readonly ended: EndedSessions;
  readonly pepper: Uint8Array;
  /** Lifetime of a session. */
  readonly seconds: number;
}

/** Sessions signed with a key derived from the pepper. */
export function createSessions({ keys, tenants, ended, pepper, seconds }: SessionParts): Sessions {
  const macKey = createHmac('sha256', pepper).update('admin session').digest();
  const sign = (text: string) => createHmac('sha256', macKey).update(text).digest('hex');
  const parse = (cookie: string, nowMs: number) => {
    const [, prefix = '', expiresAtMs = '', id = '', mac = ''] = SHAPE.exec(cookie) ?? [];
    const expected = Buffer.from(sign(`${prefix}.${expiresAtMs}.${id}`));
    const genuine = mac !== '' && timingSafeEqual(Buffer.from(mac), expected);
    const lifeMs = Number(expiresAtMs) - nowMs;
    return genuine && lifeMs > 0 ? { prefix, id, lifeMs } : undefined;
  };
  return {
    open: async (keyText, nowMs) => {
      const record = await keys.verify(keyText, nowMs);
      if (record === undefined) return undefined;
      const text = `${record.prefix}.${nowMs + seconds * 1000}.${randomBytes(8).toString('hex')}`;
      return `${text}.${sign(text)}`;
    },
    read: async (cookie, nowMs) => {
      const session = parse(cookie, nowMs);
      if (session === undefined) return undefined;
      const [record, hasEnded] = await Promise.all([keys.findActive(session.prefix, nowMs), ended.has(session.id)]);
      if (hasEnded || record === undefined || tenants.policyOf(record.tenantSettings).blocked) return undefined;
      return { tenant: record.tenant, subject: `key:${session.prefix}`, scopes: record.scopes };
    },
    close: async (cookie, nowMs) => {
      const session = parse(cookie, nowMs);
      if (session !== undefined) await ended.add(session.id, session.lifeMs);
    },
  };
}
