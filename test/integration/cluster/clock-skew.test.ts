import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { describeClockSkew, measureClockSkew } from '../../../workers/cluster/clock-skew.ts';
import { startRedis } from '../../start-redis.ts';

test('a clock that is wrong is measured against that of Redis, and said', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  assert.equal(describeClockSkew('a', await measureClockSkew(redis)), null);
  const ahead = await measureClockSkew(redis, () => Date.now() + 90_000);
  assert.ok(Math.abs(ahead - 90_000) < 1_500, `${ahead}`);
  assert.equal(
    describeClockSkew('a', -93_040),
    'The clock of node a is 93.0 s behind that of Redis: times in its log and queue waits are wrong by that amount. Answers are not ' +
      'affected. Synchronise the clocks (NTP).',
  );
});
