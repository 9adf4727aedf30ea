// A group that waits for work is handed the next request by the gateway that enqueues it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type GenerationSource, openGenerationSource } from '../../../workers/queue/generation-source.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import {
  eventually,
  type Leader,
  MODEL,
  makeRequest,
  type QueueFixture,
  startQueueFixture,
} from '../../queue-fixture.ts';

const QUEUE = 'demo@key=3Aacme';

/** A group's source that has found nothing and waits. */
async function startWaiting(
  fixture: QueueFixture,
  group: string,
): Promise<{ leader: Leader; source: GenerationSource }> {
  const leader = await fixture.lead(group);
  const source = openGenerationSource({
    url: fixture.server.url,
    model: MODEL,
    group,
    fence: () => leader.lease.fence(),
  });
  fixture.server.defer(() => source.close());
  await eventually(async () => Number((await fixture.redis.pubsub('NUMSUB', `cv:given:${group}`))[1]) === 1);
  assert.equal(await source.takeNext(true), null);
  await source.waitForWork(0);
  return { leader, source };
}

async function enqueueOne(fixture: QueueFixture): Promise<string> {
  const request = makeRequest();
  await fixture.gatewayQueue().enqueue({ request, waitingLimit: 99, idempotency: null });
  return request.id;
}

const stateOf = (fixture: QueueFixture, id: string) => fixture.redis.hmget(`cv:job:${id}`, 'state', 'group');

test('a request runs in the waiting group before any group has polled for it', async (t) => {
  const fixture = await startQueueFixture(t);
  const { source } = await startWaiting(fixture, 'g');
  const id = await enqueueOne(fixture);
  assert.deepEqual(await stateOf(fixture, id), ['running', 'g']);
  assert.equal(await fixture.redis.get(`cv:q:${QUEUE}:${id}:lock`), 'group:g');
  assert.equal(await fixture.redis.hget('cv:fair:demo', `c:${QUEUE}`), '13', 'its reservation is charged');
  await source.waitForWork(9_000);
  const taken = await source.takeNext(true);
  assert.deepEqual([taken?.request.id, taken?.attempt, taken?.lastSeq, taken?.moreWait], [id, 1, 0, false]);
  assert.equal(await source.takeNext(true), null, 'it is handed over once');
  await source.done(id, null);
  assert.equal(await fixture.queues.queue(QUEUE).getCompletedCount(), 1);
});

test('requests that follow wait in their queue, and are found', async (t) => {
  const fixture = await startQueueFixture(t);
  const { source } = await startWaiting(fixture, 'g');
  const ids = [await enqueueOne(fixture), await enqueueOne(fixture), await enqueueOne(fixture)];
  assert.deepEqual(await stateOf(fixture, String(ids[1])), ['waiting', null]);
  await source.waitForWork(9_000);
  const found: (string | undefined)[] = [];
  for (let count = 0; count < 3; count += 1) found.push((await source.takeNext(false))?.request.id);
  assert.deepEqual(found, ids);
});

test('nothing is handed to a group that has lost its lease, does not listen, or is busy', async (t) => {
  const fixture = await startQueueFixture(t);
  const { source } = await startWaiting(fixture, 'lost');
  await fixture.redis.set('cv:lease:lost', '99:0123456789abcdef');
  const deaf = await fixture.lead('deaf');
  assert.equal(await takeNext(deaf.parts, true), null);
  const busy = await startWaiting(fixture, 'busy');
  assert.equal(await busy.source.takeNext(false), null);
  const id = await enqueueOne(fixture);
  assert.deepEqual(await stateOf(fixture, id), ['waiting', null]);
  await busy.source.waitForWork(9_000);
  assert.equal((await busy.source.takeNext(false))?.request.id, id, 'a busy group is notified');
  await assert.rejects(source.takeNext(true), { code: 'fenced' });
});

test('what was handed over unheard is found once the subscription is back', async (t) => {
  const fixture = await startQueueFixture(t);
  const { leader, source } = await startWaiting(fixture, 'g');
  assert.equal(await source.takeNext(false), null);
  const id = await enqueueOne(fixture);
  // As if the message had been lost: the group holds the request, the source knows nothing of it.
  assert.equal((await takeNext(leader.parts))?.request.id, id);
  assert.equal(await source.takeNext(true), null);
  await fixture.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  const taken = await eventually(() => source.takeNext(true));
  assert.equal(taken.request.id, id);
  assert.equal(await fixture.redis.hget(`cv:job:${id}`, 'inherited'), null, 'no leader was lost');
  assert.equal(await source.takeNext(true), null, 'it is found once');
});

test('a group that stops gives back what it was handed, and is handed nothing more', async (t) => {
  const fixture = await startQueueFixture(t);
  const { source } = await startWaiting(fixture, 'g');
  const handed = await enqueueOne(fixture);
  await source.waitForWork(9_000);
  await source.refuse();
  const later = await enqueueOne(fixture);
  assert.deepEqual(await stateOf(fixture, handed), ['waiting', 'g']);
  assert.deepEqual(await stateOf(fixture, later), ['waiting', null]);
  const other = await fixture.lead('other');
  assert.deepEqual(
    [(await takeNext(other.parts))?.request.id, (await takeNext(other.parts))?.request.id],
    [handed, later],
  );
});

test('groups that wait and take at the same moment get every request once', async (t) => {
  const fixture = await startQueueFixture(t);
  const sources = [(await startWaiting(fixture, 'a')).source, (await startWaiting(fixture, 'b')).source];
  const queue = fixture.gatewayQueue();
  const requests = Array.from({ length: 60 }, (_, index) => makeRequest({ tenant: `tenant-${index % 7}` }));
  const found: string[] = [];
  const work = async (source: GenerationSource): Promise<void> => {
    while (found.length < requests.length) {
      const taken = await source.takeNext(true);
      if (taken === null) await source.waitForWork(50);
      else {
        found.push(taken.request.id);
        await source.done(taken.request.id, null);
      }
    }
  };
  const working = Promise.all(sources.map(work));
  for (const request of requests) await queue.enqueue({ request, waitingLimit: 99, idempotency: null });
  await working;
  assert.deepEqual(found.sort(), requests.map(({ id }) => id).sort());
});
