// Tenants in Redis. A record contains only what an operator has set; everything else comes from the configuration's
// defaults, as it does for tenants without a record, such as those of a JWT issuer.
import type { Redis } from 'ioredis';
import type { TenantDefaults } from '../config/config-schema.ts';
import { DomainError } from '../errors/domain-error.ts';
import { boundedWeight } from '../redis/fair-limits.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { isTenantId } from './tenant-id.ts';

/** Limits and permissions of a tenant. */
export interface TenantPolicy {
  /** Share of tokens relative to other tenants, 0.001 to 1000. */
  readonly weight: number;
  /** Maximum number of waiting requests; further ones are refused with `queue_full`. */
  readonly maxWaiting: number;
  /** 0 sets no limit. */
  readonly requestsPerMinute: number;
  /** Model ids, or null for every model. */
  readonly models: readonly string[] | null;
  /** All of its credentials are refused, regardless of their scopes. */
  readonly blocked: boolean;
}

export interface TenantRecord {
  readonly id: string;
  readonly createdAtMs: number;
  readonly policy: TenantPolicy;
}

export interface TenantStore {
  /** @throws DomainError `conflict` if the tenant exists, `invalid_request` for an invalid id. */
  create(id: string, policy: Partial<TenantPolicy>, nowMs: number): Promise<TenantRecord>;
  /**
   * Updates the given settings and creates the record of a JWT issuer's tenant if necessary. `by` is the operator's tenant; it
   * is absent when the command line works on Redis directly, where every change can be undone.
   * @throws DomainError `not_found` for an unknown tenant, `conflict` if operators would block their own tenant,
   * `insufficient_scope` if `by` is blocked.
   */
  set(id: string, policy: Partial<TenantPolicy>, nowMs: number, by?: string): Promise<TenantRecord>;
  /** Tenants with a record, by id. */
  list(): Promise<TenantRecord[]>;
  find(id: string): Promise<TenantRecord | undefined>;
  /** The effective policy of a tenant, with or without a record. */
  policy(id: string): Promise<TenantPolicy>;
  /** The effective policy from settings that were already read together with an API key. */
  policyOf(settings: Readonly<Record<string, string>>): TenantPolicy;
}

/** Creates a store on `redis`; `defaults` apply to settings that a record lacks. */
export function createTenantStore(redis: Redis, defaults: TenantDefaults): TenantStore {
  const read = (id: string) => askRedis(redis.hgetall(keyOf('tenant', id)));
  const find = async (id: string) => toRecord(id, await read(id), defaults);
  const write = async (id: string, policy: Partial<TenantPolicy>, by = '') => {
    await runScript(redis, 'write-tenant', [keyOf('tenant', id)], [id, by, ...Object.entries(toFields(policy)).flat()]);
    return readBack(id, await find(id));
  };
  const claim = (id: string, nowMs: number) =>
    askRedis(redis.hsetnx(keyOf('tenant', id), 'createdAtMs', String(nowMs)));
  return {
    find,
    policy: async (id) => toPolicy(await read(id), defaults),
    policyOf: (settings) => toPolicy(settings, defaults),
    create: async (id, policy, nowMs) => {
      refuseBadId(id);
      if ((await claim(id, nowMs)) === 0) throw new DomainError('conflict', `Tenant '${id}' already exists.`);
      return write(id, policy);
    },
    set: async (id, policy, nowMs, by) => {
      refuseBadId(id);
      if (policy.blocked === true && id === by) throw ownTenant(id);
      if (id.includes('/')) await claim(id, nowMs);
      if ((await find(id)) === undefined) throw new DomainError('not_found', `There is no tenant '${id}'.`);
      return write(id, policy, by);
    },
    list: async () => {
      const ids = (await askRedis(redis.smembers(singleKeys.tenants))).sort();
      return (await Promise.all(ids.map(find))).filter((record) => record !== undefined);
    },
  };
}

/** The error for operators who would block their own tenant, which would leave them without a working key. */
export function ownTenant(id: string): DomainError {
  const remedy = 'Block it with a key of another tenant, or revoke single keys instead';
  const message = `The key in use belongs to tenant '${id}' and would stop working. ${remedy}.`;
  return new DomainError('conflict', message, { param: 'blocked' });
}

function refuseBadId(id: string): void {
  if (isTenantId(id)) return;
  const expected = 'use lower-case letters, digits, dots, dashes and underscores, or <issuer>/<claim>';
  throw new DomainError('invalid_request', `'${id}' is not a valid tenant id: ${expected}.`, { param: 'tenant' });
}

function readBack(id: string, record: TenantRecord | undefined): TenantRecord {
  if (record === undefined) throw new DomainError('unavailable', `Tenant '${id}' was written but cannot be read.`);
  return record;
}

/** `claim` writes `createdAtMs`. The constant field `known` avoids a write without fields, which Redis refuses. */
function toFields(policy: Partial<TenantPolicy>): Record<string, string> {
  const fields = Object.entries(policy).filter(([, value]) => value !== undefined);
  return { known: '1', ...Object.fromEntries(fields.map(([name, value]) => [name, JSON.stringify(value)])) };
}

function toRecord(id: string, fields: Readonly<Record<string, string>>, defaults: TenantDefaults) {
  const { createdAtMs } = fields;
  if (createdAtMs === undefined) return undefined;
  return { id, createdAtMs: Number(createdAtMs), policy: toPolicy(fields, defaults) };
}

function toPolicy(fields: Readonly<Record<string, string>>, defaults: TenantDefaults): TenantPolicy {
  const field = <T>(name: string, fallback: T): T => (fields[name] === undefined ? fallback : JSON.parse(fields[name]));
  return {
    weight: boundedWeight(field('weight', defaults.weight)),
    maxWaiting: field('maxWaiting', defaults.maxWaiting),
    requestsPerMinute: field('requestsPerMinute', defaults.requestsPerMinute),
    models: field('models', defaults.models),
    blocked: field('blocked', false),
  };
}
