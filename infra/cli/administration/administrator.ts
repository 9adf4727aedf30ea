// Keys and tenants, as the command line administers them.
import type { ApiKeyRecord, NewKeyOptions } from '../../tenants/key-store.ts';
import type { TenantPolicy, TenantRecord } from '../../tenants/tenant-store.ts';

export interface Administrator {
  createKey(options: NewKeyOptions): Promise<ApiKeyRecord & { readonly text: string }>;
  listKeys(tenant?: string): Promise<readonly ApiKeyRecord[]>;
  revokeKey(prefix: string): Promise<ApiKeyRecord>;
  createTenant(id: string, policy: Partial<TenantPolicy>): Promise<TenantRecord>;
  setTenant(id: string, policy: Partial<TenantPolicy>): Promise<TenantRecord>;
  listTenants(): Promise<readonly TenantRecord[]>;
  close(): Promise<void>;
}
