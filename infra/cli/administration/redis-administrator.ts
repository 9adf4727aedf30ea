// Administration straight in Redis, with the pepper of this configuration. Writes the same audit log as the admin API.
import { userInfo } from 'node:os';
import type { Config } from '../../config/config-schema.ts';
import { pepperPath } from '../../config/read-config.ts';
import { DomainError } from '../../errors/domain-error.ts';
import { controlQueues } from '../../queue/control-queues.ts';
import { connectRedis } from '../../redis/connect.ts';
import { createAuditLog } from '../../tenants/audit-log.ts';
import { createKeyStore } from '../../tenants/key-store.ts';
import { readPepper } from '../../tenants/read-pepper.ts';
import { createTenantStore } from '../../tenants/tenant-store.ts';
import type { Administrator } from './administrator.ts';

/** Opens one connection. */
export function redisAdministrator(config: Config, url: string): Administrator {
  const redis = connectRedis({ url, role: 'durable', name: 'cli', retry: 'bounded' });
  const keys = createKeyStore(redis, readPepper(pepperPath(config)));
  const tenants = createTenantStore(redis, config.tenants);
  const audit = createAuditLog(redis);
  const control = controlQueues(redis);
  const who = `cli:${userInfo().username}`;
  const audited = async <T>(action: string, target: string, work: () => Promise<T>): Promise<T> => {
    await audit.append({ who, tenant: '', action, target, outcome: 'allowed' });
    return work();
  };
  return {
    listKeys: (tenant) => keys.list(tenant),
    listTenants: () => tenants.list(),
    revokeKey: (prefix) => audited('key.revoke', prefix, () => keys.revoke(prefix, Date.now())),
    createTenant: (id, policy) => audited('tenant.create', id, () => tenants.create(id, policy, Date.now())),
    setTenant: (id, policy) =>
      audited('tenant.set', id, async () => {
        const tenant = await tenants.set(id, policy, Date.now());
        if (policy.blocked === true) await control.cancelTenant(id);
        return tenant;
      }),
    createKey: async (options) => {
      if ((await tenants.find(options.tenant)) === undefined || options.tenant.includes('/')) {
        throw new DomainError('not_found', `Tenant '${options.tenant}' does not exist. Create it first.`);
      }
      return audited('key.create', options.tenant, () => keys.create(options, Date.now()));
    },
    close: async () => {
      await control.close();
      redis.disconnect();
    },
  };
}
