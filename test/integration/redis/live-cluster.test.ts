import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLiveCluster } from '../../../infra/cli/plan/live-cluster.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { startHeartbeat } from '../../../infra/registry/node-heartbeats.ts';
import { writeRoutingCounts } from '../../../infra/registry/routing-counts.ts';
import { nodeReport } from '../../node-report.ts';
import { startRedis } from '../../start-redis.ts';

test('the planner sees the nodes of a group as they report themselves, the leader first', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  const reports = [
    nodeReport('a', { bytesPerSecond: 30e9, memoryBytes: 8e9, maxExperts: 2 }),
    { ...nodeReport('b', { bytesPerSecond: 40e9 }), role: 'leader' } as const,
    { ...nodeReport('other', { bytesPerSecond: 1e9 }), group: 'elsewhere' },
  ];
  const heartbeats = await Promise.all(reports.map((report) => startHeartbeat(redis, () => report, 1_000)));
  server.defer(async () => {
    for (const heartbeat of heartbeats) await heartbeat.stop();
  });

  const { nodes, counts } = await readLiveCluster(redis, 'g');
  assert.equal(counts, null);
  assert.deepEqual(
    nodes.map(({ name, host, bytesPerSecond, hostBytesPerSecond, maxExperts }) => [
      name,
      host,
      bytesPerSecond,
      hostBytesPerSecond,
      maxExperts,
    ]),
    [
      ['b', 'h', 40e9, 40e9, null],
      ['a', 'h', 30e9, 40e9, 2],
    ],
  );
  await writeRoutingCounts(redis, 'demo', { layers: 1, experts: 2, counts: [3, 4], writtenAtMs: 1 });
  assert.deepEqual((await readLiveCluster(redis, 'g')).counts, Float64Array.of(3, 4));
  await assert.rejects(readLiveCluster(redis, 'unknown'), { code: 'unavailable', message: /No node of group unknown/ });
});

test('a node that has not measured its memory is named', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  const heartbeat = await startHeartbeat(redis, () => nodeReport('new'), 1_000);
  server.defer(() => heartbeat.stop());
  await assert.rejects(readLiveCluster(redis, 'g'), { code: 'unavailable', message: /Node new has not measured/ });
});
