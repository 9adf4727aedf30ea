import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { readRoutingCounts, writeRoutingCounts } from '../../../infra/registry/routing-counts.ts';
import { startRedis } from '../../start-redis.ts';

test('routing counts of a model are read as they were written, to a tenth of a row', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  assert.equal(await readRoutingCounts(redis, 'demo'), null);
  const record = { layers: 2, experts: 2, counts: [1, 2.04, 3.06, 0], writtenAtMs: 5 };
  await writeRoutingCounts(redis, 'demo', record);
  assert.deepEqual(await readRoutingCounts(redis, 'demo'), { ...record, counts: [1, 2, 3.1, 0] });
});
