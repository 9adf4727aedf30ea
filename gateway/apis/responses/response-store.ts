// Stored responses in Redis. Each belongs to a tenant, expires, and counts against the tenant's bytes; beyond these the oldest are
// deleted (decision 0181). To any other tenant a response does not exist.
import type { Redis } from 'ioredis';
import type { Config } from '../../../infra/config/config-schema.ts';
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { keyOf, singleKeys } from '../../../infra/redis/keys.ts';
import { askRedis } from '../../../infra/redis/script-errors.ts';
import { runScript } from '../../../infra/redis/scripts.ts';
import type { StoredResponse } from './stored-response.ts';

export interface ResponseStore {
  /** Stores a response, or replaces it. */
  put(response: StoredResponse): Promise<void>;
  /** @throws DomainError `not_found`. */
  find(id: string, tenant: string): Promise<StoredResponse>;
  /**
   * A response behind all those that it goes on from, the first one first. They are kept for longer.
   * @throws DomainError `not_found` that names the missing one.
   */
  chain(id: string, tenant: string): Promise<readonly StoredResponse[]>;
  /** @throws DomainError `not_found`. */
  remove(id: string, tenant: string): Promise<void>;
  /** Responses in the background that have not ended, the oldest first. */
  open(): Promise<readonly StoredResponse[]>;
}

const LONGEST_CHAIN = 1000;
const OPEN_AT_A_TIME = 100;

/** Kept in `redis`. */
export function createResponseStore(redis: Redis, limits: Config['responses']): ResponseStore {
  const ttlMs = Math.ceil(limits.retentionSeconds * 1000);
  const listsOf = (tenant: string) => [keyOf('responses', tenant), keyOf('responseSizes', tenant)];
  const read = async (id: string): Promise<StoredResponse | null> => {
    const json = await askRedis(redis.hget(keyOf('response', id), 'json'));
    return json === null ? null : JSON.parse(json);
  };
  return {
    put: async (response) => {
      const { id, tenant, previous, background, ending } = response;
      const isOpen = background && ending === null ? '1' : '';
      const json = JSON.stringify(response);
      const args = [id, tenant, previous ?? '', json, ttlMs, limits.tenantBytes, isOpen];
      await runScript(redis, 'store-response', [keyOf('response', id), ...listsOf(tenant)], args);
    },
    find: async (id, tenant) => {
      const found = await read(id);
      if (found?.tenant === tenant) return found;
      throw noResponse(id);
    },
    chain: async (id, tenant) => {
      const reply = await runScript(redis, 'read-responses', listsOf(tenant), [id, tenant, ttlMs, LONGEST_CHAIN]);
      const texts = Array.isArray(reply) ? reply.map(String) : [];
      const missing = texts.at(-1);
      if (missing?.startsWith('-')) throw noResponse(missing.slice(1));
      return texts.map((text): StoredResponse => JSON.parse(text)).reverse();
    },
    remove: async (id, tenant) => {
      const keys = [keyOf('response', id), ...listsOf(tenant)];
      if (Number(await runScript(redis, 'delete-response', keys, [id, tenant])) === 0) throw noResponse(id);
    },
    open: async () => {
      const ids = await askRedis(redis.zrange(singleKeys.openResponses, 0, String(OPEN_AT_A_TIME - 1)));
      const found = await Promise.all(ids.map(read));
      const gone = ids.filter((_, at) => found[at] === null);
      if (gone.length > 0) await askRedis(redis.zrem(singleKeys.openResponses, ...gone));
      return found.filter((each) => each !== null);
    },
  };
}

/** The error for a response that does not exist, or is another tenant's. */
export function noResponse(id: string): DomainError {
  return new DomainError('not_found', `Response with id '${id.slice(0, 64)}' not found.`, { param: 'response_id' });
}
