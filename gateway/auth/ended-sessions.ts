// Sessions that were signed out before they expired, in Redis: a cookie that was copied before must not work afterwards, on any
// gateway. In: session ids. Out: whether a session has ended.
import type { Redis } from 'ioredis';
import { keyOf } from '../../infra/redis/keys.ts';
import { askRedis } from '../../infra/redis/script-errors.ts';

export interface EndedSessions {
  /** Records that a session has ended; the record expires after `lifeMs`, when the cookie does. */
  add(id: string, lifeMs: number): Promise<void>;
  has(id: string): Promise<boolean>;
}

/** Records kept in `redis`. */
export function createEndedSessions(redis: Redis): EndedSessions {
  return {
    add: async (id, lifeMs) => {
      await askRedis(redis.set(keyOf('endedSession', id), '1', 'PX', Math.ceil(lifeMs)));
    },
    has: async (id) => (await askRedis(redis.exists(keyOf('endedSession', id)))) === 1,
  };
}
