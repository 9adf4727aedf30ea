// Where does a group's exchange Redis run? In: this node's configuration, and what the leader published. Out: its URL.
import { hostname } from 'node:os';
import type { Redis } from 'ioredis';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { checkRedisServer } from '../../infra/redis/check-redis-server.ts';
import { connectRedis, parseRedisUrl } from '../../infra/redis/connect.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis, asRedisError } from '../../infra/redis/script-errors.ts';

interface PublishedExchange {
  readonly url: string;
  /** Host of the leader that published it. */
  readonly host: string;
}

/** Tells the other nodes of a group where its exchange is. */
export async function publishExchange(redis: Redis, group: string, url: string): Promise<void> {
  const published: PublishedExchange = { url, host: hostname() };
  await askRedis(redis.set(keyOf('exchange', group), JSON.stringify(published)));
}

/**
 * The configured exchange, or else the group's; null if there is none. Throws `bad_config` for an unsuitable server, and
 * for one that only the leader's host reaches.
 */
export async function findExchange(
  redis: Redis,
  group: string,
  configured: string | undefined,
): Promise<string | null> {
  const text = configured === undefined ? await askRedis(redis.get(keyOf('exchange', group))) : null;
  const published: PublishedExchange | null = text === null ? null : JSON.parse(text);
  if (published !== null) refuseOutOfReach(published, group, hostname());
  const url = configured ?? published?.url ?? null;
  if (url !== null) await refuseUnfit(url);
  return url;
}

/** Throws `bad_config` when a socket or loopback address was published by another host than `here`. */
export function refuseOutOfReach({ url, host }: PublishedExchange, group: string, here: string): void {
  const { path, host: address } = parseRedisUrl(url, 'EXCHANGE_URL');
  const isLocal =
    path !== undefined || address === 'localhost' || address === '::1' || address?.startsWith('127.') === true;
  if (!isLocal || host === here) return;
  const message =
    `The exchange Redis of group ${group} can be reached on ${host} only. Start the first node with EXCHANGE_URL set to an ` +
    'address that every node reaches, or set EXCHANGE_URL for this one.';
  throw new DomainError('bad_config', message, { param: 'EXCHANGE_URL' });
}

/** One that does not answer may come back; one that is a cluster or evicts will stay one. */
async function refuseUnfit(url: string): Promise<void> {
  const redis = connectRedis({ url, role: 'exchange', name: 'check', retry: 'bounded' });
  try {
    await checkRedisServer(redis, 'exchange');
  } catch (thrown) {
    const error = asRedisError(thrown);
    if (error instanceof DomainError && error.code === 'bad_config') throw error;
  } finally {
    redis.disconnect();
  }
}
