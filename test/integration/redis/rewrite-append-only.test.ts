// Prompts leave the disk: what the append-only files hold before and after a rewrite by time.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Redis } from 'ioredis';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { rewriteIfDue } from '../../../infra/redis/rewrite-append-only.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { eventually, FINISHED, makeRequest, startQueueFixture } from '../../queue-fixture.ts';

const PROMPT = [424_242, 171_717, 424_242];
const FAILED = { outcome: 'failed', error: { code: 'internal', message: 'broken' }, cachedTokens: 0 } as const;

async function start(t: TestContext) {
  const fixture = await startQueueFixture(t, 'always');
  const { redis } = fixture;
  // Compressed, a prompt could be in the file without being found.
  await redis.config('SET', 'rdbcompression', 'no');
  const [, dir = ''] = (await redis.config('GET', 'dir')) as string[];
  const folder = join(dir, 'appendonlydir');
  const holdsPrompt = () =>
    readdirSync(folder).some((file) => readFileSync(join(folder, file)).includes(PROMPT.join(',')));
  const problems: unknown[] = [];
  const onProblem = (problem: unknown) => void problems.push(problem);
  const rewrite = (everyMs = 60_000, on = redis) => rewriteIfDue({ redis: on, everyMs, onProblem });
  return { ...fixture, holdsPrompt, problems, rewrite };
}

async function rewritten(redis: Redis): Promise<void> {
  await eventually(async () => {
    const info = await redis.info('persistence');
    return /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info);
  });
}

const rewrites = async (redis: Redis) => /cmdstat_bgrewriteaof:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];

test('the prompt of a request that finished, or failed and expired, is in no file after the rewrite', async (t) => {
  const { redis, gatewayQueue, lead, holdsPrompt, rewrite, problems } = await start(t);
  const queue = gatewayQueue();
  const leader = await lead('g');
  for (const end of [FINISHED, FAILED]) {
    const request = makeRequest({ prompts: [PROMPT] });
    await queue.enqueue({ request, waitingLimit: 9, idempotency: null });
    await takeNext(leader.parts);
    await leader.writer.finish(request.id, 1, end);
    await leader.parts.owned.done(request.id, null);
    // What expires by itself ten minutes later.
    if (end === FAILED) await redis.pexpire(`cv:req:${request.id}`, 1);
    await eventually(async () => (await redis.exists(`cv:req:${request.id}`)) === 0);
  }
  assert.ok(holdsPrompt(), 'the file holds it before');
  assert.ok(await rewrite());
  await rewritten(redis);
  assert.ok(!holdsPrompt(), 'and not after');
  assert.deepEqual(problems, []);
});

test('of many processes that find it due at once one rewrites, and none again within the interval', async (t) => {
  const { redis, rewrite } = await start(t);
  await redis.set('some', 'write');
  await Promise.all(Array.from({ length: 10 }, () => rewrite()));
  await rewritten(redis);
  await redis.set('more', 'writes');
  await rewrite();
  assert.equal(await rewrites(redis), '1');
  await redis.pexpire('cv:rewriting', 1);
  await eventually(async () => (await redis.exists('cv:rewriting')) === 0);
  await rewrite();
  assert.equal(await rewrites(redis), '2');
  await rewritten(redis);
});

test('nothing is rewritten while a snapshot is written, and the interval stays free for later', async (t) => {
  const { redis, rewrite } = await start(t);
  await redis.set('some', 'write');
  await redis.config('SET', 'rdb-key-save-delay', '10000000');
  await redis.bgsave();
  assert.ok(await rewrite());
  assert.deepEqual([await rewrites(redis), await redis.exists('cv:rewriting')], [undefined, 0]);
  // Ends the process that writes the snapshot, which would outlive the server.
  await redis.flushall();
  await eventually(async () => /rdb_bgsave_in_progress:0/.test(await redis.info('persistence')));
});

test('a Redis that does not permit it is reported once, with what to do', async (t) => {
  const { redis, server, rewrite, problems } = await start(t);
  await redis.call('ACL', 'SETUSER', 'gateway', 'on', '>secret', '~*', '&*', '+@all', '-bgrewriteaof');
  const url = `${server.url.split('?')[0]}?user=gateway&password=secret`;
  const limited = connectRedis({ url, role: 'durable', name: 'limited', retry: 'bounded' });
  server.defer(() => limited.disconnect());
  await redis.set('some', 'write');
  assert.equal(await rewrite(60_000, limited), false);
  assert.match(String(problems), /does not permit .* set appendOnlyRewriteSeconds to 0/);
});
