import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findRedisServer, noRedisServer } from '../../../infra/redis/find-redis-server.ts';
import { redisConfig, redisUrl } from '../../../infra/redis/redis-config.ts';

test('the durable role keeps an append-only file, the exchange role keeps nothing', () => {
  const durable = redisConfig({ role: 'durable', dir: '/data' }, { port: 7001 }, 'pw').split('\n');
  for (const line of [
    'appendonly yes',
    'appendfsync everysec',
    'maxmemory 0',
    'maxmemory-policy noeviction',
    'port 7001',
  ]) {
    assert.ok(durable.includes(line), line);
  }
  const exchange = redisConfig({ role: 'exchange', dir: '/data' }, { socket: '/data/r.sock' }, 'pw').split('\n');
  for (const line of [
    'appendonly no',
    'save ""',
    'maxmemory 1073741824',
    'port 0',
    'unixsocket "/data/r.sock"',
    'requirepass pw',
  ]) {
    assert.ok(exchange.includes(line), line);
  }
});

test('a server without a port for the network listens on loopback only', () => {
  assert.ok(redisConfig({ role: 'durable', dir: '/d' }, { port: 1 }, 'pw').includes('bind 127.0.0.1\n'));
  assert.equal(redisUrl({ port: 7001 }, 'pw'), 'redis://:pw@127.0.0.1:7001');
  assert.equal(redisUrl({ socket: '/my dir/r.sock' }, 'pw'), 'unix:///my%20dir/r.sock?password=pw');
});

test('REDIS_SERVER_BIN decides, and nothing is guessed when it is wrong', () => {
  assert.equal(findRedisServer({ REDIS_SERVER_BIN: '/bin/sh', PATH: '' }), '/bin/sh');
  assert.equal(findRedisServer({ REDIS_SERVER_BIN: '/nowhere/redis', PATH: process.env['PATH'] }), null);
  assert.equal(findRedisServer({ PATH: '/nowhere' }), null);
});

test('a machine without a server is told how to get one', () => {
  assert.equal(
    noRedisServer('linux').message,
    'No redis-server or valkey-server was found on PATH. Install one (apt-get install redis-server), name one in REDIS_SERVER_BIN, or set REDIS_URL.',
  );
  assert.match(noRedisServer('darwin').message, /brew install redis/);
});
