import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finishGeneration } from '../../../infra/queue/finish-generation.ts';
import { readGeneration } from '../../../infra/queue/inspect-jobs.ts';
import { openCancelSignals } from '../../../workers/queue/cancel-signals.ts';
import { openGenerationSource } from '../../../workers/queue/generation-source.ts';
import { maintainQueues } from '../../../workers/queue/maintain-queues.ts';
import { recoverGenerations } from '../../../workers/queue/recover-generations.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import {
  eventually,
  FINISHED,
  MODEL,
  makeRequest,
  type QueueFixture,
  readStream,
  startQueueFixture,
  tokensEvent,
} from '../../queue-fixture.ts';

const QUEUE = 'demo@key=3Aacme';

async function enqueueOne(fixture: QueueFixture, change = {}): Promise<string> {
  const request = makeRequest(change);
  await fixture.gatewayQueue().enqueue({ request, waitingLimit: 100, idempotency: null });
  return request.id;
}

/** What happens in time when a group is dead: its lock runs out, and two scans find the job. */
async function stall(fixture: QueueFixture, id: string): Promise<void> {
  const { redis, queues } = fixture;
  for (let scan = 0; scan < 2; scan += 1) {
    await redis.del(`cv:q:${QUEUE}:${id}:lock`, `cv:q:${QUEUE}:stalled-check`);
    await maintainQueues({ redis, queues, model: MODEL, onProblem: () => {} });
  }
}

test('a new leader of a group inherits its requests, locks and stream positions', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  const old = await fixture.lead('g');
  await takeNext(old.parts);
  await old.writer.append([{ id, seq: 1, event: tokensEvent(1) }]);
  await old.lease.release();
  const next = await fixture.lead('g');
  const [recovered, ...others] = await recoverGenerations(next.parts, true);
  assert.deepEqual(others, []);
  assert.equal(recovered?.request.id, id);
  assert.equal(recovered?.lastSeq, 1);
  await assert.rejects(old.writer.append([{ id, seq: 2, event: tokensEvent(2) }]), { code: 'fenced' });
  await assert.rejects(takeNext(old.parts), { code: 'fenced' });
  assert.deepEqual(await next.writer.append([{ id, seq: 2, event: tokensEvent(2) }]), []);
  assert.equal(await next.writer.finish(id, 3, FINISHED), true);
  await next.parts.owned.done(id, null);
  assert.equal(await fixture.queues.queue(QUEUE).getCompletedCount(), 1);
});

test('a leader that comes back after its locks ran out goes on as if they had not', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  const old = await fixture.lead('g');
  await takeNext(old.parts);
  await old.writer.append([{ id, seq: 1, event: tokensEvent(1) }]);
  for (let restart = 1; restart <= 3; restart += 1) {
    await old.lease.release();
    await fixture.redis.del(`cv:q:${QUEUE}:${id}:lock`, `cv:q:${QUEUE}:stalled-check`);
    // Between the restarts the scan that another leader may run has marked the job, and has not moved it yet.
    await fixture.redis.sadd(`cv:q:${QUEUE}:stalled`, id);
    const next = await fixture.lead('g');
    const [recovered] = await recoverGenerations(next.parts, true);
    assert.deepEqual([recovered?.request.id, recovered?.lastSeq], [id, restart]);
    await maintainQueues({ ...fixture, model: MODEL, onProblem: () => {} });
    assert.equal(await takeNext(next.parts), null, 'the job is still its own');
    await next.writer.append([{ id, seq: restart + 1, event: tokensEvent(restart + 1) }]);
    await next.lease.release();
  }
  const job = await fixture.queues.queue(QUEUE).getJob(id);
  assert.equal(job?.stalledCounter, 0);
});

test('a request that another group has taken meanwhile is not inherited', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  const dead = await fixture.lead('dead');
  await takeNext(dead.parts);
  await stall(fixture, id);
  assert.deepEqual(await recoverGenerations(dead.parts, true), [], 'it waits in its queue');
  const alive = await fixture.lead('alive');
  assert.equal((await takeNext(alive.parts))?.request.id, id);
  assert.deepEqual(await recoverGenerations(dead.parts, true), []);
});

test('a request that ends every leader before it gets a token is ended itself', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  const first = await fixture.lead('g');
  await takeNext(first.parts);
  await first.lease.release();
  const counts = [];
  for (let restart = 0; restart < 4; restart += 1) {
    const leader = await fixture.lead('g');
    counts.push((await recoverGenerations(leader.parts, true)).length);
    await leader.lease.release();
  }
  assert.deepEqual(counts, [1, 1, 1, 0]);
  const seen = await readStream((await fixture.follower()).follow(id));
  assert.deepEqual(
    seen.map(({ event }) => event.type === 'end' && [event.outcome, event.error?.message]),
    [
      [
        'failed',
        'The worker died repeatedly while it ran this request. Retry; if it fails again, tell the operator the request id.',
      ],
    ],
  );
  assert.equal(await fixture.queues.queue(QUEUE).getFailedCount(), 1);
});

test('a request of a dead group goes on in another one, behind what was published', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  const dead = await fixture.lead('dead');
  await takeNext(dead.parts);
  await dead.writer.append([{ id, seq: 1, event: tokensEvent(1) }]);
  await stall(fixture, id);
  const alive = await fixture.lead('alive');
  const taken = await takeNext(alive.parts);
  assert.equal(taken?.lastSeq, 1);
  assert.equal(taken?.attempt, 2);
  assert.deepEqual(await dead.writer.append([{ id, seq: 2, event: tokensEvent(2) }]), [id], 'it is no longer its own');
  assert.deepEqual(await alive.writer.append([{ id, seq: 2, event: tokensEvent(2) }]), []);
  assert.equal(await fixture.redis.hlen('cv:held:dead'), 0);
  await assert.rejects(dead.writer.finish(id, 3, FINISHED), { code: 'fenced' });
  assert.equal(await alive.writer.finish(id, 3, FINISHED), true);
});

test('a request that stalls twice ends with a terminal error', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  for (const group of ['first', 'second']) {
    const leader = await fixture.lead(group);
    assert.equal((await takeNext(leader.parts))?.request.id, id);
    await stall(fixture, id);
  }
  const third = await fixture.lead('third');
  assert.equal(await takeNext(third.parts), null);
  const seen = await readStream((await fixture.follower()).follow(id));
  assert.deepEqual(
    seen.map(({ event }) => event.type === 'end' && [event.outcome, event.error?.message]),
    [
      [
        'failed',
        'The worker died twice while it ran this request. Retry; if it fails again, tell the operator the request id.',
      ],
    ],
  );
  assert.equal(await fixture.queues.queue(QUEUE).getFailedCount(), 1);
  assert.equal(Number(await fixture.redis.hget('cv:fair:demo', `c:${QUEUE}`)), 3, 'only its prompt is charged');
});

test('however many finish a request at the same time, it ends once', async (t) => {
  const fixture = await startQueueFixture(t);
  const id = await enqueueOne(fixture);
  const { parts, writer, lease } = await fixture.lead('g');
  await takeNext(parts);
  await writer.append([{ id, seq: 1, event: tokensEvent(1, 4) }]);
  const failed = { outcome: 'failed', error: { code: 'internal', message: 'x' }, cachedTokens: 0 } as const;
  const results = await Promise.all([
    finishGeneration(fixture.redis, id, FINISHED, { by: 'writer', fence: lease.fence(), seq: 2 }),
    finishGeneration(fixture.redis, id, failed, { by: 'reaper' }),
    finishGeneration(fixture.redis, id, FINISHED, { by: 'writer', fence: lease.fence(), seq: 2 }),
    finishGeneration(fixture.redis, id, failed, { by: 'canceller' }),
  ]);
  assert.deepEqual(
    results.map(({ kind }) => kind),
    ['ended', 'already-ended', 'already-ended', 'already-ended'],
  );
  assert.equal(await fixture.redis.xlen(`cv:out:${id}`), 2);
  assert.equal(Number(await fixture.redis.hget('cv:fair:demo', `c:${QUEUE}`)), 3 + 4, 'settled once, to what was used');
  assert.equal(await fixture.redis.exists(`cv:req:${id}`), 0, 'the prompt is gone');
  assert.equal(await fixture.redis.hget(`cv:stat:${QUEUE}`, 'finished'), '1');
});

test('a request that waits is cancelled at once, and its job is gone', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const id = await enqueueOne(fixture);
  await assert.rejects(queue.cancel(id, 'key:other'), {
    code: 'not_found',
    message: 'No request has this id, or it has expired.',
  });
  assert.equal(await queue.cancel(id, 'key:acme'), true);
  assert.equal(await queue.cancel(id, 'key:acme'), false);
  const { parts } = await fixture.lead('g');
  assert.equal(await takeNext(parts), null);
  assert.equal((await readGeneration(fixture.redis, id))?.outcome, 'cancelled');
});

test('a request that runs is reported to its group, and to the one that takes over', async (t) => {
  const fixture = await startQueueFixture(t);
  const queue = fixture.gatewayQueue();
  const id = await enqueueOne(fixture);
  const signals = await openCancelSignals({ url: fixture.server.url, group: 'g' });
  fixture.server.defer(() => signals.close());
  const { parts, writer } = await fixture.lead('g');
  await takeNext(parts);
  assert.deepEqual(signals.drain(), []);
  assert.equal(await queue.cancel(id, 'key:acme'), true);
  assert.deepEqual(await eventually(async () => signals.drain().length > 0 && [id]), [id]);
  const later = await openCancelSignals({ url: fixture.server.url, group: 'g' });
  fixture.server.defer(() => later.close());
  assert.deepEqual(later.drain(), [id], 'a new leader sees it too');
  await stall(fixture, id);
  const other = await fixture.lead('other');
  assert.equal((await takeNext(other.parts))?.cancelled, true);
  assert.equal(await other.writer.finish(id, 1, { outcome: 'cancelled', error: null, cachedTokens: 0 }), true);
  assert.equal(await fixture.redis.exists('cv:cancel:g', 'cv:cancel:other'), 0);
  assert.deepEqual(await writer.append([{ id, seq: 2, event: tokensEvent(2) }]), [id]);
});

test('a request given back is next in its queue and costs nothing twice', async (t) => {
  const fixture = await startQueueFixture(t);
  const first = await enqueueOne(fixture);
  await enqueueOne(fixture);
  const leaving = await fixture.lead('leaving');
  assert.equal((await takeNext(leaving.parts))?.request.id, first);
  await leaving.writer.append([{ id: first, seq: 1, event: tokensEvent(1) }]);
  await leaving.parts.owned.release(first);
  assert.equal((await readGeneration(fixture.redis, first))?.state, 'waiting');
  const staying = await fixture.lead('staying');
  const taken = await takeNext(staying.parts);
  assert.deepEqual([taken?.request.id, taken?.lastSeq], [first, 1]);
  assert.equal(Number(await fixture.redis.hget('cv:fair:demo', `c:${QUEUE}`)), 13);
});

test('a leader whose lock ran out finishes and releases without an error', async (t) => {
  const fixture = await startQueueFixture(t);
  const ids = [await enqueueOne(fixture), await enqueueOne(fixture)];
  const { parts, writer } = await fixture.lead('g');
  const [ended, released] = ids.map(String);
  assert.ok(ended && released);
  await takeNext(parts);
  await takeNext(parts);
  for (const id of [ended, released]) await fixture.redis.del(`cv:q:${QUEUE}:${id}:lock`);
  await writer.finish(ended, 1, FINISHED);
  await parts.owned.done(ended, null);
  await parts.owned.release(released);
  await stall(fixture, ended);
  const other = await fixture.lead('other');
  assert.equal((await takeNext(other.parts))?.request.id, released);
  assert.equal(await takeNext(other.parts), null);
  assert.equal(await fixture.queues.queue(QUEUE).getCompletedCount(), 1, 'the job of the ended request is put away');
});

test('an idle leader hears of work, and a source closes without Redis', async (t) => {
  const fixture = await startQueueFixture(t);
  const { lease } = await fixture.lead('g');
  const source = openGenerationSource({
    url: fixture.server.url,
    model: MODEL,
    group: 'g',
    fence: () => lease.fence(),
  });
  await eventually(async () => {
    await source.waitForWork(0);
    return Number((await fixture.redis.pubsub('NUMSUB', 'cv:wake:demo'))[1]) === 1;
  });
  assert.equal(await source.takeNext(true), null);
  await source.waitForWork(1);
  const startedAt = performance.now();
  const waiting = source.waitForWork(9_000);
  const id = await enqueueOne(fixture);
  await waiting;
  assert.ok(performance.now() - startedAt < 5_000, 'long before the timeout');
  assert.equal((await source.takeNext(true))?.request.id, id);
  await fixture.server.kill();
  await source.close();
  await fixture.server.start();
});
