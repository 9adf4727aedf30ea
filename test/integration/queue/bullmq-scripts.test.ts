// Our scripts call BullMQ's: what they leave in Redis is what BullMQ's own classes leave there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Redis } from 'ioredis';
import { JOB_NAME, LOCK_MS } from '../../../infra/redis/bullmq-scripts.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { makeRequest, startQueueFixture } from '../../queue-fixture.ts';

const OURS = 'demo@ours';
const THEIRS = 'demo@theirs';

/** All keys of a queue with what they hold; times and the ids made of times are left out. */
async function contents(redis: Redis, queue: string): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  const prefix = `cv:q:${queue}:`;
  for (const key of (await redis.keys(`${prefix}*`)).sort()) all[key.slice(prefix.length)] = await read(redis, key);
  return all;
}

async function read(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  if (type === 'hash') return withoutTimes(await redis.hgetall(key));
  if (type === 'list') return redis.lrange(key, 0, '-1');
  if (type === 'zset') return redis.zrange(key, 0, '-1', 'WITHSCORES');
  if (type === 'set') return redis.smembers(key);
  if (type === 'stream') return (await redis.xrange(key, '-', '+')).map(([, fields]) => fields);
  return redis.get(key);
}

/** Nor is the version that a Queue object notes in `meta`. */
function withoutTimes({ version: _, ...hash }: Readonly<Record<string, string>>): object {
  const fields = Object.entries(hash).map(([name, value]) => {
    if (name === 'timestamp' || name === 'processedOn') return [name, value.replace(/^\d{13}$/, 'a time')];
    return [name, name === 'opts' ? JSON.parse(value) : value];
  });
  return Object.fromEntries(fields);
}

test('a request is added and taken as BullMQ adds and takes a job', async (t) => {
  const { redis, queues, gatewayQueue, lead } = await startQueueFixture(t);
  const ids = ['request-a', 'request-b'];
  const data = { reservedTokens: 13, promptTokens: 3 };
  for (const id of ids) await queues.queue(THEIRS).add(JOB_NAME, data, { jobId: id });
  const queue = gatewayQueue();
  for (const id of ids) {
    await queue.enqueue({ request: makeRequest({ id, tenant: 'ours' }), waitingLimit: 9, idempotency: null });
  }
  const waiting = await contents(redis, OURS);
  assert.deepEqual(Object.keys(waiting), ['events', 'id', 'marker', 'meta', 'request-a', 'request-b', 'wait']);
  assert.deepEqual(waiting, await contents(redis, THEIRS));

  const { parts } = await lead('g');
  assert.equal((await takeNext(parts))?.request.id, 'request-a');
  await queues.worker(THEIRS).getNextJob(parts.owned.token, { block: false });
  const taken = await contents(redis, OURS);
  assert.deepEqual(taken['active'], ['request-a']);
  assert.deepEqual(taken, await contents(redis, THEIRS));
  const lockMs = await redis.pttl(`cv:q:${OURS}:request-a:lock`);
  assert.ok(lockMs > LOCK_MS - 5_000 && lockMs <= LOCK_MS, `${lockMs} ms`);
});

test('a queue that another tool has limited is passed over, not polled indefinitely', async (t) => {
  const { queues, gatewayQueue, lead } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const enqueue = (tenant: string) =>
    queue.enqueue({ request: makeRequest({ tenant }), waitingLimit: 9, idempotency: null });
  for (const tenant of ['ours', 'ours', 'other']) await enqueue(tenant);
  await queues.queue(OURS).setGlobalConcurrency(1);
  const { parts } = await lead('g');
  const tenants = [];
  for (let count = 0; count < 3; count += 1) tenants.push((await takeNext(parts))?.request.tenant);
  assert.deepEqual(tenants, ['other', 'ours', undefined]);
});
