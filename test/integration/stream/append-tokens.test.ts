import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { FINISHED, makeRequest, type QueueFixture, startQueueFixture, tokensEvent } from '../../queue-fixture.ts';

async function takeMany(fixture: QueueFixture, count: number) {
  const leader = await fixture.lead('g');
  const queue = fixture.gatewayQueue();
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const request = makeRequest();
    await queue.enqueue({ request, waitingLimit: 1_000, idempotency: null });
    await takeNext(leader.parts);
    ids.push(request.id);
  }
  return { ...leader, ids };
}

const entry = (id: string, seq: number) => ({ id, seq, event: tokensEvent(seq) });

test('a batch of several requests is written in order, without gaps', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids } = await takeMany(fixture, 3);
  const batch = [1, 2].flatMap((seq) => ids.map((id) => entry(id, seq)));
  assert.deepEqual(await writer.append(batch), []);
  for (const id of ids) {
    const stored = await fixture.redis.xrange(`cv:out:${id}`, '-', '+');
    assert.deepEqual(stored, [
      ['1-0', ['e', JSON.stringify(tokensEvent(1))]],
      ['2-0', ['e', JSON.stringify(tokensEvent(2))]],
    ]);
  }
});

test('a batch larger than one script call is written whole', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids } = await takeMany(fixture, 1);
  const id = String(ids[0]);
  const batch = Array.from({ length: 1_000 }, (_, index) => entry(id, index + 1));
  assert.deepEqual(await writer.append(batch), []);
  assert.equal(await fixture.redis.xlen(`cv:out:${id}`), 1_000);
});

test('an entry that was written already is not written twice', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids } = await takeMany(fixture, 1);
  const id = String(ids[0]);
  await writer.append([entry(id, 1)]);
  assert.deepEqual(await writer.append([entry(id, 1), entry(id, 2)]), []);
  assert.equal(await fixture.redis.xlen(`cv:out:${id}`), 2);
  assert.equal(await fixture.redis.hget(`cv:job:${id}`, 'tokens'), '2');
});

test('a gap that the writer cannot fill ends the request with an error, others go on', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids } = await takeMany(fixture, 2);
  const [broken, fine] = ids.map(String);
  assert.ok(broken && fine);
  assert.deepEqual(await writer.append([entry(broken, 5), entry(fine, 1)]), [broken]);
  const [terminal] = await fixture.redis.xrange(`cv:out:${broken}`, '-', '+');
  assert.match(String(terminal?.[1][1]), /"outcome":"failed".*"code":"generation_failed"/);
  assert.equal(await fixture.redis.xlen(`cv:out:${fine}`), 1);
});

test('another entry under the same seq is refused and ends the request', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids } = await takeMany(fixture, 1);
  const id = String(ids[0]);
  await writer.append([entry(id, 1)]);
  assert.deepEqual(await writer.append([{ id, seq: 1, event: tokensEvent(99) }]), [id]);
  const stored = await fixture.redis.xrange(`cv:out:${id}`, '-', '+');
  assert.equal(stored[0]?.[1][1], JSON.stringify(tokensEvent(1)), 'what clients have stays');
  assert.match(String(stored[1]?.[1][1]), /"outcome":"failed"/);
});

test('nothing is written without the lease', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, lease, ids } = await takeMany(fixture, 1);
  const id = String(ids[0]);
  await fixture.redis.set('cv:lease:g', '99:0123456789abcdef');
  await assert.rejects(writer.append([entry(id, 1)]), {
    code: 'fenced',
    message: 'Another process leads this group now.',
  });
  await assert.rejects(writer.finish(id, 1, FINISHED), { code: 'fenced' });
  assert.equal(await fixture.redis.exists(`cv:out:${id}`), 0);
  await lease.release();
  await assert.rejects(writer.append([entry(id, 1)]), {
    code: 'fenced',
    message: 'This process does not lead group g any more.',
  });
});

test('entries of a request that has ended are dropped', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids } = await takeMany(fixture, 1);
  const id = String(ids[0]);
  assert.equal(await writer.finish(id, 1, FINISHED), true);
  assert.deepEqual(await writer.append([entry(id, 2)]), [id]);
  assert.equal(await writer.finish(id, 2, FINISHED), false);
});

test('what Redis lost of the last two seconds is written again, ends included', async (t) => {
  const fixture = await startQueueFixture(t);
  const { writer, ids, lease } = await takeMany(fixture, 2);
  const [running, ended] = ids.map(String);
  assert.ok(running && ended);
  await writer.append([entry(running, 1), entry(ended, 1)]);
  await fixture.redis.bgrewriteaof();
  // As the append-only file would have it: both requests as they were after their first entries.
  const before = await Promise.all(
    [`cv:job:${running}`, `cv:out:${running}`, `cv:job:${ended}`, `cv:out:${ended}`].map(
      async (key) => [key, await fixture.redis.dumpBuffer(key)] as const,
    ),
  );
  await writer.append([entry(running, 2), entry(running, 3), entry(ended, 2)]);
  await writer.finish(ended, 3, FINISHED);
  for (const [key, dump] of before) await fixture.redis.restore(key, 0, dump ?? '', 'REPLACE');
  // The writer finds out when its connection comes back.
  await fixture.redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  const deadline = AbortSignal.timeout(10_000);
  while ((await fixture.redis.xlen(`cv:out:${ended}`)) < 3 || (await fixture.redis.xlen(`cv:out:${running}`)) < 3) {
    deadline.throwIfAborted();
  }
  assert.equal(await fixture.redis.hget(`cv:job:${ended}`, 'state'), 'ended');
  assert.deepEqual(await writer.append([entry(running, 4)]), []);
  assert.ok(lease.held);
});
