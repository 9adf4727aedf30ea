// `conclave tenant create|set|list`.
import type { TenantPolicy, TenantRecord } from '../../tenants/tenant-store.ts';
import { type AdministerOptions, administer, printResult } from '../administration/administer.ts';
import { formatTable } from '../format-table.ts';

export type TenantListOptions = AdministerOptions;

export interface TenantPolicyOptions extends AdministerOptions {
  readonly weight?: number;
  readonly maxWaiting?: number;
  readonly requestsPerMinute?: number;
  readonly models?: readonly string[];
  readonly block?: boolean;
}

export async function tenantCreateCommand(id: string, options: TenantPolicyOptions): Promise<void> {
  const tenant = await administer(options, (admin) => admin.createTenant(id, toPolicy(options)));
  printResult(options, tenant, toTable([tenant]));
}

export async function tenantSetCommand(id: string, options: TenantPolicyOptions): Promise<void> {
  const tenant = await administer(options, (admin) => admin.setTenant(id, toPolicy(options)));
  printResult(options, tenant, toTable([tenant]));
}

export async function tenantListCommand(options: TenantListOptions): Promise<void> {
  const tenants = await administer(options, (admin) => admin.listTenants());
  printResult(options, tenants, toTable(tenants));
}

function toPolicy({
  weight,
  maxWaiting,
  requestsPerMinute,
  models,
  block,
}: TenantPolicyOptions): Partial<TenantPolicy> {
  return {
    ...(weight !== undefined && { weight }),
    ...(maxWaiting !== undefined && { maxWaiting }),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(models !== undefined && { models: models.includes('*') ? null : models }),
    ...(block !== undefined && { blocked: block }),
  };
}

function toTable(tenants: readonly TenantRecord[]): string {
  const rows = tenants.map(({ id, policy }) => [
    id,
    String(policy.weight),
    String(policy.maxWaiting),
    policy.requestsPerMinute === 0 ? '-' : String(policy.requestsPerMinute),
    policy.models === null ? '*' : policy.models.join(' '),
    policy.blocked ? 'blocked' : 'served',
  ]);
  return formatTable(['TENANT', 'WEIGHT', 'MAX WAITING', 'PER MINUTE', 'MODELS', 'STATE'], rows);
}
