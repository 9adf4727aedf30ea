// Keys, tenants and audit log in memory, for tests of the gateway's own decisions. The Redis stores have tests of their own.
import { randomBytes } from 'node:crypto';
import { noResponse, type ResponseStore } from '../../gateway/apis/responses/response-store.ts';
import type { StoredResponse } from '../../gateway/apis/responses/stored-response.ts';
import type { EndedSessions } from '../../gateway/auth/ended-sessions.ts';
import { configSchema } from '../../infra/config/config-schema.ts';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { apiKeyPrefix, makeApiKey } from '../../infra/tenants/api-key.ts';
import type { AuditLog, LoggedAuditEntry } from '../../infra/tenants/audit-log.ts';
import type { ApiKeyRecord, KeyStore } from '../../infra/tenants/key-store.ts';
import { ownTenant, type TenantPolicy, type TenantRecord, type TenantStore } from '../../infra/tenants/tenant-store.ts';

export function createMemoryKeys(): KeyStore {
  const records = new Map<string, { text: string; record: ApiKeyRecord }>();
  const active = (prefix: string, nowMs: number) => {
    const record = records.get(prefix)?.record;
    if (record === undefined || record.revokedAtMs !== null) return undefined;
    return record.expiresAtMs !== null && record.expiresAtMs <= nowMs ? undefined : record;
  };
  return {
    create: async (options, nowMs) => {
      const { prefix, text } = makeApiKey(randomBytes);
      const record = { ...options, prefix, createdAtMs: nowMs, revokedAtMs: null };
      records.set(prefix, { text, record });
      return { ...record, text };
    },
    list: async () => [...records.values()].map(({ record }) => record),
    revoke: async (prefix, nowMs) => {
      const found = records.get(prefix);
      if (found === undefined) throw new DomainError('not_found', `No API key has the prefix '${prefix}'.`);
      found.record = { ...found.record, revokedAtMs: nowMs };
      return found.record;
    },
    verify: async (text, nowMs) => {
      const prefix = apiKeyPrefix(text) ?? '';
      const record = records.get(prefix)?.text === text ? active(prefix, nowMs) : undefined;
      // In place of settings, by which the tenants below find them.
      return record && { ...record, tenantSettings: { id: record.tenant } };
    },
    findActive: async (prefix, nowMs) => {
      const record = active(prefix, nowMs);
      return record && { ...record, tenantSettings: { id: record.tenant } };
    },
  };
}

export function createMemoryTenants(): TenantStore {
  const policies = new Map<string, Partial<TenantPolicy>>();
  const policy = (id: string): TenantPolicy => ({
    ...configSchema.parse({}).tenants,
    blocked: false,
    ...policies.get(id),
  });
  const record = (id: string): TenantRecord => ({ id, createdAtMs: 0, policy: policy(id) });
  const write = async (id: string, change: Partial<TenantPolicy>) => {
    policies.set(id, { ...policies.get(id), ...change });
    return record(id);
  };
  return {
    create: write,
    set: async (id, change, _nowMs, by) => {
      if (change.blocked === true && id === by) throw ownTenant(id);
      return write(id, change);
    },
    list: async () => [...policies.keys()].map(record),
    find: async (id) => (policies.has(id) ? record(id) : undefined),
    policy: async (id) => policy(id),
    policyOf: ({ id = '' }) => policy(id),
  };
}

export function createMemoryAudit(): AuditLog & { readonly entries: LoggedAuditEntry[] } {
  const entries: LoggedAuditEntry[] = [];
  return {
    entries,
    append: async (entry) => void entries.unshift({ ...entry, id: `${entries.length}-0`, atMs: 0 }),
    page: async (limit) => entries.slice(0, limit),
  };
}

export function createMemoryEndedSessions(): EndedSessions {
  const ids = new Set<string>();
  return { add: async (id) => void ids.add(id), has: async (id) => ids.has(id) };
}

export function createMemoryResponses(): ResponseStore {
  const responses = new Map<string, StoredResponse>();
  const find = (id: string, tenant: string) => {
    const found = responses.get(id);
    if (found?.tenant !== tenant) throw noResponse(id);
    return found;
  };
  return {
    put: async (response) => void responses.set(response.id, response),
    find: async (id, tenant) => find(id, tenant),
    chain: async (id, tenant) => {
      const chain: StoredResponse[] = [];
      for (let at: string | null = id; at !== null; at = chain[0]?.previous ?? null) chain.unshift(find(at, tenant));
      return chain;
    },
    remove: async (id, tenant) => void responses.delete(find(id, tenant).id),
    open: async () => [...responses.values()].filter(({ background, ending }) => background && ending === null),
  };
}
