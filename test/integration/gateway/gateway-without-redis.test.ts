// A gateway whose Redis is unreachable, refuses writes, or comes back: at the start, while it waits and in mid-stream.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { startGateway } from '../../../gateway/start-gateway.ts';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { createLogger } from '../../../infra/log/logger.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { startRedis } from '../../start-redis.ts';
import { CHAT, caller, openHome, start, startOne, textOf, until } from './real-gateway.ts';

test('a gateway that never reached Redis closes without waiting for it', async (t) => {
  let attempts = 0;
  const broken = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
  t.after(() => broken.close());
  const home = mkdtempSync(join(tmpdir(), 'cv-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const redisUrl = `redis://127.0.0.1:${(broken.address() as AddressInfo).port}`;
  const settings = configSchema.parse({ port: 0, home, redisUrl, drainSeconds: 0.2 });
  const gateway = await startGateway(settings, createLogger('test', 'silent'));
  const refused = assert.rejects(gateway.connected, 'a caller that awaits it gets the error');
  while (attempts < 6) await delay(5);
  await gateway.close();
  await refused;
  // What was under way is counted when it arrives.
  await delay(50);
  const last = attempts;
  // A connection tries again after a second at the latest.
  await delay(1_200);
  assert.equal(attempts, last, 'no connection is tried any more');
});

const REFUSALS = {
  'has no memory left': {
    break: async (redis: Redis) => void (await redis.config('SET', 'maxmemory', '1')),
    mend: async (redis: Redis) => void (await redis.config('SET', 'maxmemory', '0')),
    reason: 'Redis has reached its maxmemory and accepts no writes.',
  },
  'became a replica': {
    break: async (redis: Redis) => void (await redis.replicaof('127.0.0.1', '1')),
    mend: async (redis: Redis) => void (await redis.replicaof('NO', 'ONE')),
    reason: 'Redis is a read-only replica and accepts no writes.',
  },
  'could not save': {
    break: async (redis: Redis) => {
      const [, dir = ''] = (await redis.config('GET', 'dir')) as string[];
      // Where the snapshot is to be renamed to; with an entry, so that no rename replaces it.
      mkdirSync(join(dir, 'dump.rdb', 'in-the-way'), { recursive: true });
      await redis.config('SET', 'save', '3600 1');
      await redis.bgsave();
      await until(async () => /rdb_last_bgsave_status:err/.test(await redis.info('persistence')));
    },
    mend: async (redis: Redis) => void (await redis.config('SET', 'save', '')),
    reason: 'Redis could not save its snapshot and accepts no writes. Its log has the reason.',
  },
} as const;

for (const [what, refusal] of Object.entries(REFUSALS)) {
  test(`a Redis that ${what} is why a gateway is not ready, and clients are told to come again`, async (t) => {
    const { redis, call, admin, work } = await start(t);
    const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
    redis.defer(() => connection.disconnect());
    await work();
    await refusal.break(connection);
    await until(async () => (await call('GET', '/readyz')).status === 503);
    assert.deepEqual(JSON.parse((await call('GET', '/readyz')).text).reasons, [refusal.reason]);
    for (const refused of [
      await call('POST', '/v1/chat/completions', CHAT),
      await call('POST', '/v1/chat/completions', { ...CHAT, stream: true }),
      await admin('POST', '/admin/api/tenants', { id: 'late' }),
      await admin('PATCH', '/admin/api/tenants/acme', { weight: 2 }),
      await admin('POST', '/admin/api/keys', { tenant: 'acme' }),
    ]) {
      assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [503, 'unavailable'], refused.text);
      assert.equal(refused.headers['retry-after'], '1');
    }
    await refusal.mend(connection);
    await until(async () => (await call('GET', '/readyz')).status === 200);
    assert.equal((await call('POST', '/v1/chat/completions', CHAT)).status, 200);
  });
}

test('with Redis away everything but /healthz is a 503, and comes back with it', async (t) => {
  const { call, redis } = await start(t);
  await redis.stop();
  assert.equal((await call('GET', '/healthz')).status, 200);
  const ready = await call('GET', '/readyz');
  assert.deepEqual([ready.status, JSON.parse(ready.text).reasons], [503, ['Redis does not answer.']]);
  const refused = await call('POST', '/v1/chat/completions', CHAT);
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1']);
  const error = { message: 'Redis does not answer.', type: 'server_error', param: null, code: 'unavailable' };
  assert.deepEqual(JSON.parse(refused.text), { error });
  await redis.start();
  await until(async () => (await call('GET', '/v1/models')).status === 200);
});

test('a stream outlives a restart of Redis, without a lost or repeated word', async (t) => {
  const { call, redis, job, work } = await start(t);
  const worker = await work({ paced: true });
  const streaming = call('POST', '/v1/chat/completions', { ...CHAT, stream: true });
  worker.allow(1);
  await until(async () => (await job('running'))?.completionTokens > 0);
  await redis.stop();
  await redis.start();
  worker.allow(2);
  const { text } = await streaming;
  assert.equal(textOf(text), 'one two three');
  assert.deepEqual(text.match(/^id: \d+$/gm), ['id: 1', 'id: 2', 'id: 3', 'id: 4']);
});

test('a stream whose Redis stays away ends with a timeout event, and is not cut', async (t) => {
  const { call, redis, job, work } = await start(t, { limits: { answerSeconds: 2 } });
  const worker = await work({ paced: true });
  const streaming = call('POST', '/v1/chat/completions', { ...CHAT, stream: true });
  worker.allow(1);
  await until(async () => (await job('running'))?.completionTokens > 0);
  await worker.stop();
  await redis.stop();
  const { status, text } = await streaming;
  assert.deepEqual([status, textOf(text)], [200, 'one ']);
  const message = 'The answer took longer than this server allows. Lower max_tokens, or retry when it is less busy.';
  const error = { message, type: 'server_error', param: null, code: 'timeout' };
  assert.ok(text.endsWith(`event: error\ndata: ${JSON.stringify({ error })}\n\n`), text);
  assert.ok(!text.includes('[DONE]'));
  await redis.start();
});

test('a gateway that starts without Redis answers 503, and serves once Redis is there', async (t) => {
  const redis = await startRedis(t);
  const { home, newKey } = await openHome(t, redis);
  const key = await newKey(['chat']);
  await redis.stop();
  const gateway = await startOne(redis, home);
  const call = caller(gateway.url, key.text);
  assert.equal((await call('GET', '/v1/models')).status, 503);
  await redis.start();
  await gateway.connected;
  await until(async () => (await call('GET', '/v1/models')).status === 200);
});
