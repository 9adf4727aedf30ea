import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openGenerationQueue } from '../../../gateway/queue/enqueue-generation.ts';
import { controlQueues } from '../../../infra/queue/control-queues.ts';
import { readGeneration } from '../../../infra/queue/inspect-jobs.ts';
import { encodeQueueName } from '../../../infra/queue/queue-name.ts';
import { reapLost } from '../../../infra/queue/reap-generations.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { eventually, FINISHED, MODEL, makeRequest, readStream, startQueueFixture } from '../../queue-fixture.ts';

const QUEUE = encodeQueueName({ model: MODEL, tenant: 'key:acme' });
const plain = { waitingLimit: 10, idempotency: null };

test('a request waits in its tenant queue, and its job carries no prompt', async (t) => {
  const { redis, queues, gatewayQueue } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const request = makeRequest({ prompts: [[424_242, 2]], maxTokens: 5, choices: 2 });
  assert.deepEqual(await queue.enqueue({ ...plain, request }), { id: request.id, repeated: false, position: 0 });
  const second = await queue.enqueue({ ...plain, request: makeRequest() });
  assert.equal(second.position, 1);
  const job = await queues.queue(QUEUE).getJob(request.id);
  assert.deepEqual(job?.data, { reservedTokens: 12, promptTokens: 2 });
  assert.equal(JSON.stringify(await redis.hgetall(`cv:q:${QUEUE}:${request.id}`)).includes('424242'), false);
  assert.deepEqual(JSON.parse((await redis.get(`cv:req:${request.id}`)) ?? ''), request);
  const record = await readGeneration(redis, request.id);
  assert.equal(record?.state, 'waiting');
  assert.equal(record?.reservedTokens, 12);
});

test('beyond the waiting limit a tenant gets queue_full, and others do not', async (t) => {
  const { gatewayQueue } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const limit = { waitingLimit: 2, idempotency: null };
  await queue.enqueue({ ...limit, request: makeRequest() });
  await queue.enqueue({ ...limit, request: makeRequest() });
  await assert.rejects(queue.enqueue({ ...limit, request: makeRequest() }), {
    code: 'queue_full',
    message: 'Too many requests of this tenant are waiting. Retry after the time in the retry-after header.',
    retryAfterSeconds: 5,
  });
  const other = await queue.enqueue({ ...limit, request: makeRequest({ tenant: 'key:other' }) });
  assert.equal(other.position, 0);
});

test('the limit holds against callers at the same moment', async (t) => {
  const { gatewayQueue } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const results = await Promise.allSettled(
    Array.from({ length: 30 }, () => queue.enqueue({ waitingLimit: 7, idempotency: null, request: makeRequest() })),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 7);
});

test('an Idempotency-Key leads to the first request, for the same body and tenant only', async (t) => {
  const { gatewayQueue, queues } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const idempotency = { key: 'k', bodyDigest: 'd1' };
  const first = makeRequest();
  await queue.enqueue({ request: first, waitingLimit: 10, idempotency });
  const again = await queue.enqueue({ request: makeRequest(), waitingLimit: 10, idempotency });
  assert.deepEqual(again, { id: first.id, repeated: true, position: 0 });
  assert.equal(await queues.queue(QUEUE).getWaitingCount(), 1);
  await assert.rejects(
    queue.enqueue({ request: makeRequest(), waitingLimit: 10, idempotency: { key: 'k', bodyDigest: 'd2' } }),
    {
      code: 'conflict',
      message: 'This Idempotency-Key was already used with a different body. Use a new key for a new request.',
    },
  );
  const other = await queue.enqueue({ request: makeRequest({ tenant: 'key:other' }), waitingLimit: 10, idempotency });
  assert.equal(other.repeated, false);
});

async function idempotent(t: TestContext) {
  const fixture = await startQueueFixture(t);
  const queue = openGenerationQueue({ url: fixture.server.url, gatewayId: 'gateway-1', keptMs: 60_000 });
  fixture.server.defer(() => queue.close());
  const leader = await fixture.lead('g');
  const ask = (bodyDigest = 'd1') =>
    queue.enqueue({ request: makeRequest(), waitingLimit: 10, idempotency: { key: 'k', bodyDigest } });
  const keys = async (id: string) => [`cv:job:${id}`, `cv:out:${id}`, ...(await fixture.redis.keys('cv:idem:*'))];
  return { ...fixture, queue, leader, ask, keys };
}

test('an Idempotency-Key lives as long as the answer, which a repeated request renews, and no longer', async (t) => {
  const { redis, leader, ask, keys } = await idempotent(t);
  const first = await ask();
  await takeNext(leader.parts);
  await leader.writer.finish(first.id, 1, FINISHED);
  const kept = await keys(first.id);
  assert.equal(kept.length, 3);
  const lifetimes = await Promise.all(kept.map((key) => redis.pexpiretime(key)));
  assert.equal(new Set(lifetimes).size, 1, 'they expire in the same millisecond');
  for (const key of kept) await redis.pexpire(key, 20_000);
  assert.deepEqual([(await ask()).id, (await ask()).repeated], [first.id, true]);
  for (const key of kept) assert.ok((await redis.pttl(key)) > 30_000, `${key} is renewed`);
  for (const key of kept) await redis.pexpire(key, 1);
  await eventually(async () => (await redis.exists(...kept)) === 0 || null);
  const fresh = await ask('d2');
  assert.deepEqual([fresh.repeated, fresh.id === first.id], [false, false]);
});

test('an Idempotency-Key whose request failed, is cancelled or is lost leads to a new request', async (t) => {
  const { redis, leader, queue, ask } = await idempotent(t);
  const failed = await ask();
  await takeNext(leader.parts);
  await leader.writer.finish(failed.id, 1, {
    ...FINISHED,
    outcome: 'failed',
    error: { code: 'internal', message: '' },
  });
  const cancelled = await ask();
  await queue.cancel(cancelled.id, 'key:acme');
  const asked = await ask();
  await takeNext(leader.parts);
  await queue.cancel(asked.id, 'key:acme');
  const lost = await ask();
  await takeNext(leader.parts);
  await leader.writer.finish(lost.id, 1, FINISHED);
  await redis.del(`cv:out:${lost.id}`);
  const forgotten = await ask();
  await redis.del(`cv:job:${forgotten.id}`);
  const last = await ask();
  const ids = [failed, cancelled, asked, lost, forgotten, last].map(({ id }) => id);
  assert.equal(new Set(ids).size, 6);
  await leader.writer.finish(asked.id, 1, { ...FINISHED, outcome: 'cancelled' });
  assert.equal((await ask()).id, last.id, 'the end of an earlier request leaves the key alone');
  assert.ok((await redis.pttl((await redis.keys('cv:idem:*'))[0] ?? '')) > 1_000);
});

test('an id in use is a conflict, a bad one an invalid request', async (t) => {
  const { gatewayQueue } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const request = makeRequest();
  await queue.enqueue({ ...plain, request });
  await assert.rejects(queue.enqueue({ ...plain, request }), {
    code: 'conflict',
    message: 'A request with this id already exists.',
  });
  await assert.rejects(queue.enqueue({ ...plain, request: makeRequest({ id: '12345678' }) }), {
    code: 'invalid_request',
  });
});

test('a draining queue refuses new requests and keeps those it has', async (t) => {
  const { redis, gatewayQueue, lead } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const request = makeRequest();
  await queue.enqueue({ ...plain, request });
  const control = controlQueues(redis);
  await control.setDraining(QUEUE, true);
  await assert.rejects(queue.enqueue({ ...plain, request: makeRequest() }), {
    code: 'unavailable',
    message: 'This queue is draining and accepts no new requests. Retry later.',
  });
  const { parts } = await lead('g');
  assert.equal((await takeNext(parts))?.request.id, request.id);
  await control.setDraining(QUEUE, false);
  await queue.enqueue({ ...plain, request: makeRequest() });
});

test('a reservation whose job is gone is ended as failed, and blocks nothing', async (t) => {
  const { redis, queues, gatewayQueue, follower } = await startQueueFixture(t);
  const request = makeRequest();
  const queue = gatewayQueue();
  await queue.enqueue({ ...plain, request });
  await queue.enqueue({ ...plain, request: makeRequest() });
  // Another tool, or another version.
  await queues.queue(QUEUE).remove(request.id);
  const options = { redis, queues, onProblem: () => {}, lostAfterMs: 0 };
  assert.equal(await reapLost(options), 1);
  assert.equal(await reapLost(options), 0);
  const seen = await readStream((await follower()).follow(request.id));
  assert.deepEqual(
    seen.map(({ event }) => event.type === 'end' && event.error),
    [{ code: 'unavailable', message: 'The request was lost before it could run.' }],
  );
  assert.equal((await queue.enqueue({ ...plain, request: makeRequest() })).position, 1, 'its place is free');
});

test('Retry-After and the estimated wait come from the measured rate', async (t) => {
  const { redis, gatewayQueue, lead } = await startQueueFixture(t);
  const queue = gatewayQueue();
  const requests = [makeRequest(), makeRequest(), makeRequest(), makeRequest()];
  for (const request of requests) await queue.enqueue({ ...plain, request });
  const ids = requests.map(({ id }) => id);
  assert.deepEqual(
    [...(await queue.positions(ids)).values()].map(({ position, waitMs }) => [position, waitMs]),
    [
      [0, null],
      [1, null],
      [2, null],
      [3, null],
    ],
  );
  const { parts, writer } = await lead('g');
  await takeNext(parts);
  // As if the dispatch before had been seven and a half seconds ago.
  await redis.hincrby(`cv:stat:${QUEUE}`, 'last', -7_500);
  await takeNext(parts);
  await writer.finish(String(ids[0]), 1, FINISHED);
  const places = await queue.positions(ids);
  assert.deepEqual([...places.keys()], ids.slice(2));
  const wait = places.get(String(ids[3]))?.waitMs ?? 0;
  assert.ok(wait >= 15_000 && wait < 16_000, `${wait} ms for the second in line`);
  await assert.rejects(queue.enqueue({ request: makeRequest(), waitingLimit: 2, idempotency: null }), {
    code: 'queue_full',
    retryAfterSeconds: 8,
  });
});

test('without Redis a client gets unavailable', async (t) => {
  const { server, gatewayQueue } = await startQueueFixture(t);
  const queue = gatewayQueue();
  await queue.enqueue({ ...plain, request: makeRequest() });
  await server.kill();
  await assert.rejects(queue.enqueue({ ...plain, request: makeRequest() }), {
    code: 'unavailable',
    message: 'Redis does not answer.',
    retryAfterSeconds: 1,
  });
  await server.start();
});

test('a Redis that is full refuses new requests as unavailable', async (t) => {
  const { redis, gatewayQueue } = await startQueueFixture(t);
  const queue = gatewayQueue();
  await redis.config('SET', 'maxmemory', '1');
  await assert.rejects(queue.enqueue({ ...plain, request: makeRequest() }), {
    code: 'unavailable',
    message: 'Redis accepts no writes.',
  });
  await redis.config('SET', 'maxmemory', '0');
  await queue.enqueue({ ...plain, request: makeRequest() });
});
