import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis } from '../../../infra/redis/connect.ts';

test('commands of a connection that is given up between two attempts are rejected', async () => {
  const url = 'unix:///nowhere/redis.sock';
  const redis = connectRedis({ url, role: 'durable', name: 'test', retry: 'forever' });
  const waiting = redis.ping();
  await new Promise((resolve) => redis.once('reconnecting', resolve));
  assert.equal(redis.status, 'reconnecting');
  redis.disconnect();
  const late = delay(5_000, 'late', { ref: false });
  await assert.rejects(Promise.race([waiting, late]), { message: 'Connection is closed.' });
  assert.equal(redis.status, 'end');
});
