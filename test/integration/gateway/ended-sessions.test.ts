// Sessions that were signed out, in a real Redis: known on every gateway, until the cookie would have expired anyway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEndedSessions } from '../../../gateway/auth/ended-sessions.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { startRedis } from '../../start-redis.ts';

test('a session that ended on one gateway has ended on another, and its record expires with the cookie', async (t) => {
  const server = await startRedis(t);
  const gateways = ['gateway-1', 'gateway-2'].map((name) => {
    const redis = connectRedis({ url: server.url, role: 'durable', name, retry: 'bounded' });
    server.defer(() => redis.disconnect());
    return { redis, sessions: createEndedSessions(redis) };
  });
  const [first, second] = gateways;
  assert.ok(first && second);
  assert.equal(await second.sessions.has('a'), false);
  await first.sessions.add('a', 59_999.5);
  assert.deepEqual([await second.sessions.has('a'), await second.sessions.has('b')], [true, false]);
  const lifeMs = await second.redis.pttl('cv:ended-session:a');
  assert.ok(lifeMs > 0 && lifeMs <= 60_000, `expires in ${lifeMs} ms`);
});
