import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeRedisServer, readFacts } from '../../../infra/redis/check-redis-server.ts';

const good = { version: '7.0.15', clusterEnabled: false, maxmemoryPolicy: 'noeviction', appendOnly: true };

test('a durable Redis with an append-only file is accepted without a warning', () => {
  assert.deepEqual(judgeRedisServer(good, 'durable'), []);
  assert.deepEqual(judgeRedisServer({ ...good, version: '6.2.0' }, 'durable'), []);
  assert.deepEqual(judgeRedisServer({ ...good, appendOnly: false }, 'exchange'), []);
});

test('Redis Cluster is refused with what to do instead', () => {
  assert.throws(() => judgeRedisServer({ ...good, clusterEnabled: true }, 'durable'), {
    code: 'bad_config',
    message:
      'The Redis server is a Redis Cluster, which does not support our multi-key scripts. Use a standalone Redis: scale by groups, gateways and one Redis per model.',
  });
});

test('a version below 6.2 is refused by its number', () => {
  assert.throws(() => judgeRedisServer({ ...good, version: '6.0.16' }, 'durable'), {
    code: 'bad_config',
    message: 'The Redis server has version 6.0.16. Expected Redis 6.2 or newer, or Valkey.',
  });
});

test('a policy that evicts is refused by its name', () => {
  assert.throws(() => judgeRedisServer({ ...good, maxmemoryPolicy: 'allkeys-lru' }, 'exchange'), {
    code: 'bad_config',
    message:
      'The Redis server has maxmemory-policy allkeys-lru and would silently drop requests. Set it to noeviction.',
  });
});

test('persistence that does not fit the role is a warning', () => {
  assert.deepEqual(judgeRedisServer({ ...good, appendOnly: false }, 'durable'), [
    'The durable Redis has appendonly off: a restart loses every queued request. Set appendonly yes.',
  ]);
  assert.deepEqual(judgeRedisServer(good, 'exchange'), [
    'The exchange Redis writes an append-only file, which adds latency to every frame. Set appendonly no.',
  ]);
});

test('facts are read from the text of INFO', () => {
  const info =
    '# Server\r\nredis_version:7.2.4\r\ncluster_enabled:1\r\nmaxmemory_policy:volatile-ttl\r\naof_enabled:0\r\n';
  assert.deepEqual(readFacts(info), {
    version: '7.2.4',
    clusterEnabled: true,
    maxmemoryPolicy: 'volatile-ttl',
    appendOnly: false,
  });
});

test('a server that is not Redis is refused', () => {
  assert.throws(() => readFacts('hello'), {
    code: 'bad_config',
    message: 'The Redis server answers INFO without redis_version. Expected Redis or Valkey.',
  });
});
