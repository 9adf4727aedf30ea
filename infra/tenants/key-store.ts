// API keys in Redis: owner, scopes and a keyed hash, never the keys themselves. Every check reads the record, so that
// revoking a key takes effect on all gateways with the next request. The tenant's settings come in the same round trip.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { DomainError } from '../errors/domain-error.ts';
import { keyOf, singleKeys } from '../redis/keys.ts';
import { askRedis } from '../redis/script-errors.ts';
import { runScript, toHash } from '../redis/scripts.ts';
import { apiKeyPrefix, hashApiKey, hashesMatch, makeApiKey } from './api-key.ts';
import { knownScopes, type Scope } from './scope.ts';

/** What operators can see of a key. Times are Unix ms. */
export interface ApiKeyRecord {
  readonly prefix: string;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly revokedAtMs: number | null;
}

/** A valid key with the stored settings of its tenant, for TenantStore.policyOf. */
export interface VerifiedKey extends ApiKeyRecord {
  readonly tenantSettings: Readonly<Record<string, string>>;
}

export interface NewKeyOptions {
  readonly tenant: string;
  /** A label for people, such as the owner or the purpose. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAtMs: number | null;
}

export interface KeyStore {
  /** Creates a key; `text` is shown to its owner once and not stored. */
  create(options: NewKeyOptions, nowMs: number): Promise<ApiKeyRecord & { readonly text: string }>;
  /** All keys, or those of one tenant, newest first. */
  list(tenant?: string): Promise<ApiKeyRecord[]>;
  /** Revoking a key again keeps the first time. @throws DomainError `not_found` for an unknown prefix. */
  revoke(prefix: string, nowMs: number): Promise<ApiKeyRecord>;
  /** The record of a key; undefined unless it is genuine, unexpired and not revoked. */
  verify(text: string, nowMs: number): Promise<VerifiedKey | undefined>;
  /** The record of a prefix; undefined unless the key is unexpired and not revoked. */
  findActive(prefix: string, nowMs: number): Promise<VerifiedKey | undefined>;
}

/** Creates a store on `redis` that hashes keys with `pepper`. */
export function createKeyStore(redis: Redis, pepper: Uint8Array): KeyStore {
  const read = (prefix: string) => askRedis(redis.hgetall(keyOf('apiKey', prefix)));
  return {
    create: (options, nowMs) => createKey(redis, pepper, options, nowMs),
    list: async (tenant) => {
      const prefixes = await askRedis(redis.smembers(singleKeys.apiKeys));
      const records = await Promise.all(prefixes.map(async (prefix) => toRecord(prefix, await read(prefix))));
      return records
        .filter((record) => record !== undefined)
        .filter((record) => tenant === undefined || record.tenant === tenant)
        .sort((left, right) => right.createdAtMs - left.createdAtMs);
    },
    revoke: async (prefix, nowMs) => {
      const record = toRecord(prefix, await read(prefix));
      if (record === undefined) throw new DomainError('not_found', `No API key has the prefix '${prefix}'.`);
      await askRedis(redis.hsetnx(keyOf('apiKey', prefix), 'revokedAtMs', String(nowMs)));
      return { ...record, revokedAtMs: record.revokedAtMs ?? nowMs };
    },
    verify: async (text, nowMs) => {
      const prefix = apiKeyPrefix(text);
      if (prefix === undefined) return undefined;
      const reading = readCredential(redis, prefix);
      // Hashing overlaps with the round trip to Redis.
      const hash = hashApiKey(pepper, text);
      const { fields, tenantSettings } = await reading;
      const genuine = hashesMatch(hash, Buffer.from(fields['hash'] ?? '', 'hex'));
      const record = genuine ? onlyActive(toRecord(prefix, fields), nowMs) : undefined;
      return record && { ...record, tenantSettings };
    },
    findActive: async (prefix, nowMs) => {
      const { fields, tenantSettings } = await readCredential(redis, prefix);
      const record = onlyActive(toRecord(prefix, fields), nowMs);
      return record && { ...record, tenantSettings };
    },
  };
}

async function readCredential(redis: Redis, prefix: string) {
  const reply = await runScript(redis, 'read-credential', [keyOf('apiKey', prefix)], []);
  const [fields, tenantSettings] = Array.isArray(reply) ? reply.map(toHash) : [];
  return { fields: fields ?? {}, tenantSettings: tenantSettings ?? {} };
}

/** Writes the hash first and only if absent, so that a duplicate prefix never replaces a key. */
async function createKey(redis: Redis, pepper: Uint8Array, options: NewKeyOptions, nowMs: number) {
  const { prefix, text } = makeApiKey(randomBytes);
  const record: ApiKeyRecord = { ...options, prefix, createdAtMs: nowMs, revokedAtMs: null };
  const fresh = await askRedis(redis.hsetnx(keyOf('apiKey', prefix), 'hash', hashApiKey(pepper, text).toString('hex')));
  if (fresh === 0) throw new DomainError('conflict', 'The random key prefix is already in use. Try again.');
  await askRedis(redis.multi().hset(keyOf('apiKey', prefix), toFields(record)).sadd(singleKeys.apiKeys, prefix).exec());
  return { ...record, text };
}

function toFields(record: ApiKeyRecord): Record<string, string> {
  return {
    tenant: record.tenant,
    name: record.name,
    scopes: record.scopes.join(' '),
    createdAtMs: String(record.createdAtMs),
    ...(record.expiresAtMs === null ? {} : { expiresAtMs: String(record.expiresAtMs) }),
  };
}

/** Undefined if the key does not exist or its creation was interrupted. */
function toRecord(prefix: string, fields: Readonly<Record<string, string>>): ApiKeyRecord | undefined {
  const { tenant, name = '', scopes = '', createdAtMs, expiresAtMs, revokedAtMs } = fields;
  if (tenant === undefined) return undefined;
  return {
    prefix,
    tenant,
    name,
    scopes: knownScopes(scopes.split(' ')),
    createdAtMs: Number(createdAtMs),
    expiresAtMs: expiresAtMs === undefined ? null : Number(expiresAtMs),
    revokedAtMs: revokedAtMs === undefined ? null : Number(revokedAtMs),
  };
}

/** True if a key is unexpired and not revoked. */
export function isActive(record: ApiKeyRecord, nowMs: number): boolean {
  return record.revokedAtMs === null && (record.expiresAtMs === null || record.expiresAtMs > nowMs);
}

function onlyActive(record: ApiKeyRecord | undefined, nowMs: number): ApiKeyRecord | undefined {
  return record !== undefined && isActive(record, nowMs) ? record : undefined;
}
