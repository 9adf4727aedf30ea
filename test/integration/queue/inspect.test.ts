import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retryGeneration } from '../../../gateway/queue/retry-generation.ts';
import { controlQueues } from '../../../infra/queue/control-queues.ts';
import { listJobs, readGeneration } from '../../../infra/queue/inspect-jobs.ts';
import { listQueues } from '../../../infra/queue/inspect-queues.ts';
import { KEYS } from '../../../infra/redis/keys.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { FINISHED, makeRequest, type QueueFixture, startQueueFixture, tokensEvent } from '../../queue-fixture.ts';

const FAILED = { outcome: 'failed', error: { code: 'internal', message: 'x' }, cachedTokens: 0 } as const;

/** Four requests: one finished, one failed, one running, one waiting, of two tenants. */
async function fourRequests(fixture: QueueFixture) {
  const queue = fixture.gatewayQueue();
  const leader = await fixture.lead('g');
  const requests = ['a', 'a', 'a', 'b'].map((tenant) => makeRequest({ tenant, prompts: [[987_654_321, 2]] }));
  for (const request of requests) await queue.enqueue({ request, waitingLimit: 100, idempotency: null });
  await controlQueues(fixture.redis).pause('demo@b');
  for (let count = 0; count < 3; count += 1) await takeNext(leader.parts);
  const [finished, failed, running, waiting] = requests.map(({ id }) => id);
  assert.ok(finished && failed && running && waiting);
  await leader.writer.append([{ id: finished, seq: 1, event: tokensEvent(1, 3) }]);
  await leader.writer.finish(finished, 2, FINISHED);
  await leader.parts.owned.done(finished, null);
  await leader.writer.finish(failed, 1, FAILED);
  await leader.parts.owned.done(failed, 'x');
  return { queue, finished, failed, running, waiting };
}

test('queues are listed with counts, rates, waits and counters', async (t) => {
  const fixture = await startQueueFixture(t);
  await fourRequests(fixture);
  await controlQueues(fixture.redis).setDraining('demo@a', true);
  await controlQueues(fixture.redis).setWeight('demo@b', 2);
  const [a, b] = await listQueues(fixture.redis);
  assert.ok(a && b);
  assert.deepEqual(
    { ...a, dispatchGapMs: typeof a.dispatchGapMs },
    {
      queue: 'demo@a',
      model: 'demo',
      tenant: 'a',
      waiting: 0,
      running: 1,
      paused: false,
      draining: true,
      oldestWaitMs: null,
      virtualTokens: 2 + 3 + 2 + 12,
      weight: 1,
      dispatchGapMs: 'number',
      finished: 1,
      failed: 1,
      cancelled: 0,
      tokensServed: 7,
    },
  );
  assert.deepEqual([b.waiting, b.running, b.paused, b.weight], [1, 0, true, 2]);
  assert.ok(b.oldestWaitMs !== null && b.oldestWaitMs >= 0);
});

test('jobs are listed by state, of one queue or of all, without prompts', async (t) => {
  const fixture = await startQueueFixture(t);
  const { finished, failed, running, waiting } = await fourRequests(fixture);
  const page = { limit: 50, after: null };
  const ids = async (state: 'waiting' | 'running' | 'ended', queue: string | null) =>
    (await listJobs(fixture.redis, { state, queue }, page)).jobs.map(({ id }) => id);
  assert.deepEqual(await ids('waiting', null), [waiting]);
  assert.deepEqual(await ids('running', null), [running]);
  assert.deepEqual((await ids('ended', null)).sort(), [finished, failed].sort());
  assert.deepEqual(await ids('ended', 'demo@b'), []);
  const { jobs } = await listJobs(fixture.redis, { state: 'ended', queue: 'demo@a' }, page);
  assert.equal(JSON.stringify(jobs).includes('987654321'), false);
  const record = await readGeneration(fixture.redis, finished);
  assert.deepEqual(
    [record?.outcome, record?.promptTokens, record?.completionTokens, record?.group, record?.attempts, record?.tenant],
    ['finished', 2, 3, 'g', 1, 'a'],
  );
  assert.deepEqual((await readGeneration(fixture.redis, failed))?.error, FAILED.error);
  assert.equal(await readGeneration(fixture.redis, 'request-unknown'), null);
});

test('pages follow each other without losing or repeating a job', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const all = Array.from({ length: 57 }, (_, index) => makeRequest({ tenant: `tenant-${index % 5}` }));
  await Promise.all(all.map((request) => queue.enqueue({ request, waitingLimit: 100, idempotency: null })));
  const seen: string[] = [];
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof listJobs>> = await listJobs(
      fixture.redis,
      { state: 'waiting', queue: null },
      { limit: 10, after },
    );
    assert.equal(page.total, 57);
    seen.push(...page.jobs.map(({ id }) => id));
    after = page.next;
  } while (after !== null);
  assert.deepEqual(seen.sort(), all.map(({ id }) => id).sort());
});

test('a bad page is refused by field', async (t) => {
  const { redis } = await startQueueFixture(t);
  const filter = { state: 'waiting', queue: null } as const;
  await assert.rejects(listJobs(redis, filter, { limit: 201, after: null }), {
    code: 'invalid_request',
    message: 'Expected 1 to 200 for `limit` but received 201.',
  });
  await assert.rejects(listJobs(redis, filter, { limit: 1, after: 'x' }), {
    code: 'invalid_request',
    message: 'Expected the `next` of an earlier page for `after` but received "x".',
  });
});

test('only what failed can be retried, and gets a new id', async (t) => {
  const fixture = await startQueueFixture(t);
  const { queue, finished, failed } = await fourRequests(fixture);
  const fresh = { id: 'request-retried', nowMs: 5, waitingLimit: 100 };
  await assert.rejects(retryGeneration(fixture.redis, queue, 'request-unknown', fresh), {
    code: 'not_found',
    message: 'No request has this id, or it has expired.',
  });
  await assert.rejects(retryGeneration(fixture.redis, queue, finished, fresh), {
    code: 'conflict',
    message: 'Only a request that failed within the last ten minutes can be retried.',
  });
  assert.equal((await retryGeneration(fixture.redis, queue, failed, fresh)).id, 'request-retried');
  const record = await readGeneration(fixture.redis, 'request-retried');
  assert.deepEqual([record?.state, record?.tenant, record?.promptTokens], ['waiting', 'a', 2]);
});

test('an operator cancels a request of any tenant', async (t) => {
  const fixture = await startQueueFixture(t);
  const { finished, running, waiting } = await fourRequests(fixture);
  const control = controlQueues(fixture.redis);
  assert.deepEqual(
    [await control.cancel(finished), await control.cancel(running), await control.cancel(waiting)],
    [false, true, true],
  );
  await assert.rejects(control.cancel('request-unknown'), { code: 'not_found' });
});

test('every key in Redis is in the table of keys, with its type, and expires where the table says so', async (t) => {
  const fixture = await startQueueFixture(t);
  const follower = await fixture.follower();
  const { finished } = await fourRequests(fixture);
  const queue = fixture.gatewayQueue();
  await queue.enqueue({ request: makeRequest(), waitingLimit: 9, idempotency: { key: 'k', bodyDigest: 'd' } });
  for await (const _entry of follower.follow(finished)) {
    // Read to its end.
  }
  for (const key of await fixture.redis.keys('*')) {
    const info = KEYS.find(
      ({ pattern }) => pattern === key || (pattern.endsWith('*') && key.startsWith(pattern.slice(0, -1))),
    );
    assert.ok(info, `${key} is in the table`);
    if (info.type === 'bullmq') continue;
    assert.equal(await fixture.redis.type(key), info.type, key);
    const mustExpire = /^(24 h|deleted|10 min)/.test(info.expiry);
    assert.equal(
      (await fixture.redis.pttl(key)) > 0,
      mustExpire || key.startsWith('cv:lease:'),
      `${key}: ${info.expiry}`,
    );
  }
});
