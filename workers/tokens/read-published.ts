// What a predecessor has published of a request: a worker that takes over goes on behind it.
import type { Redis } from 'ioredis';
import type { TokenEvent, TokensEvent } from '../../infra/messages/token-event.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';

/** The token entries of a stream, in order; entry n has seq n. */
export async function readPublished(redis: Redis, id: string): Promise<readonly TokensEvent[]> {
  const entries = await askRedis(redis.xrange(keyOf('out', id), '-', '+'));
  const events = entries.map(([, fields]): TokenEvent => JSON.parse(fields[1] ?? ''));
  return events.filter((event) => event.type === 'tokens');
}
