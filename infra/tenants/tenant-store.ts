// Tenants in Redis. A record holds only what an operator set; everything else follows the configuration's defaults, also
// for tenants without a record, such as those that a JWT issuer names.
import type { Redis } from 'ioredis';
import type { TenantDefaults } from '../config/config-schema.ts';
import { DomainError } from '../errors/domain-error.ts';
import { boundedWeight } from '../redis/fair-limits.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript } from '../redis/scripts.ts';
import { isTenantId } from './tenant-id.ts';

/** What rules a tenant's requests. */
export interface TenantPolicy {
  /** Share of the machine relative to other tenants, 0.001 to 1000. */
  readonly weight: number;
  /** Requests that may wait at once; more are refused with `queue_full`. */
  readonly maxWaiting: number;
  /** 0 sets no limit. */
  readonly requestsPerMinute: number;
  /** Model ids, or null for every model. */
  readonly models: readonly string[] | null;
  /** None of its credentials works, whatever their scopes. */
  readonly blocked: boolean;
}

export interface TenantRecord {
  readonly id: string;
  readonly createdAtMs: number;
  readonly policy: TenantPolicy;
}

export interface TenantStore {
  /** @throws DomainError `conflict` when the tenant exists, `invalid_request` for an id that cannot be one. */
  create(id: string, policy: Partial<TenantPolicy>, nowMs: number): Promise<TenantRecord>;
  /**
   * Changes what is given; a tenant of a JWT issuer gets its record here. `by` is the tenant of the operator who asks; absent
   * for the command line on Redis, which can take back whatever it did.
   * @throws DomainError `not_found` for an unknown tenant, `conflict` for an operator who would block the own tenant,
   * `insufficient_scope` when `by` is blocked.
   */
  set(id: string, policy: Partial<TenantPolicy>, nowMs: number, by?: string): Promise<TenantRecord>;
  /** Tenants with a record, by id. */
  list(): Promise<TenantRecord[]>;
  find(id: string): Promise<TenantRecord | undefined>;
  /** What applies to a tenant, with or without a record. */
  policy(id: string): Promise<TenantPolicy>;
  /** The same from settings that were read with the tenant's key. */
  policyOf(settings: Readonly<Record<string, string>>): TenantPolicy;
}

/** Tenants kept in `redis`; `defaults` fill in what a record does not say. */
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
      if ((await claim(id, nowMs)) === 0) throw new DomainError('conflict', `Tenant '${id}' exists already.`);
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

/** A blocked tenant's keys do nothing, so whoever blocks another tenant still holds a key that works. */
export function ownTenant(id: string): DomainError {
  const remedy = 'Block it with a key of another tenant, or revoke single keys instead';
  const message = `'${id}' is the tenant of the key in use, which would stop working. ${remedy}.`;
  return new DomainError('conflict', message, { param: 'blocked' });
}

function refuseBadId(id: string): void {
  if (isTenantId(id)) return;
  const expected = 'expected lower-case letters, digits, dots, dashes and underscores, or <issuer>/<claim>';
  throw new DomainError('invalid_request', `'${id}' cannot be a tenant: ${expected}.`, { param: 'tenant' });
}

function readBack(id: string, record: TenantRecord | undefined): TenantRecord {
  if (record === undefined) throw new DomainError('unavailable', `Tenant '${id}' was written but cannot be read.`);
  return record;
}

/** `createdAtMs` is written by `claim`; the empty multi-field write is avoided because Redis refuses it. */
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
