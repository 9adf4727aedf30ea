import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StreamEntry } from '../../../gateway/stream/follow-streams.ts';
import { readGeneration } from '../../../infra/queue/inspect-jobs.ts';
import { reapOrphans } from '../../../infra/queue/reap-generations.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { SEED } from '../../fair-schedule.ts';
import {
  eventually,
  FINISHED,
  type Leader,
  makeRequest,
  type QueueFixture,
  readStream,
  startQueueFixture,
  tokensEvent,
} from '../../queue-fixture.ts';

async function takeOne(fixture: QueueFixture, leader: Leader, change = {}, gatewayId = 'gateway-1'): Promise<string> {
  const request = makeRequest(change);
  await fixture.gatewayQueue(gatewayId).enqueue({ request, waitingLimit: 1_000, idempotency: null });
  await takeNext(leader.parts);
  return request.id;
}

async function write(leader: Leader, id: string, from: number, to: number): Promise<void> {
  const batch = Array.from({ length: to - from + 1 }, (_, index) => ({
    id,
    seq: from + index,
    event: tokensEvent(from + index),
  }));
  assert.deepEqual(await leader.writer.append(batch), []);
}

const seqs = (entries: readonly StreamEntry[]): number[] => entries.map(({ seq }) => seq);
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

test('every entry arrives once and in order, the terminal one last', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const id = await takeOne(fixture, leader);
  await write(leader, id, 1, 3);
  const reading = readStream(follower.follow(id));
  for (let seq = 4; seq <= 40; seq += 3) await write(leader, id, seq, Math.min(40, seq + 2));
  await leader.writer.finish(id, 41, FINISHED);
  const seen = await reading;
  assert.deepEqual(seqs(seen), numbers(1, 41));
  assert.deepEqual(seen[4]?.event, tokensEvent(5));
  assert.deepEqual(seen.at(-1)?.event, {
    type: 'end',
    outcome: 'finished',
    error: null,
    usage: { promptTokens: 3, completionTokens: 40, cachedTokens: 0 },
  });
  assert.equal(follower.size, 0);
});

test('a stream is read again from any entry, also after its end and in another gateway', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const id = await takeOne(fixture, leader);
  await write(leader, id, 1, 300);
  await leader.writer.finish(id, 301, FINISHED);
  const other = await fixture.follower('gateway-2');
  assert.deepEqual(seqs(await readStream(other.follow(id, 150))), numbers(150, 301));
  assert.deepEqual(seqs(await readStream(other.follow(id, 301))), [301]);
});

test('an expected stream has its first entries, though it is followed only afterwards', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const request = makeRequest();
  const expected = follower.expect(request.id);
  await fixture.gatewayQueue().enqueue({ request, waitingLimit: 9, idempotency: null });
  await takeNext(leader.parts);
  await write(leader, request.id, 1, 3);
  const entries = expected.follow()[Symbol.asyncIterator]();
  assert.equal((await entries.next()).value.seq, 1);
  await leader.writer.finish(request.id, 4, FINISHED);
  for (const seq of [2, 3, 4]) assert.equal((await entries.next()).value.seq, seq);
  assert.equal((await entries.next()).done, true);
  assert.equal(follower.size, 0);
});

test('leaving an expected stream cancels its request, forgetting it does not', async (t) => {
  const fixture = await startQueueFixture(t);
  const follower = await fixture.follower();
  const requests = [makeRequest(), makeRequest()];
  const [left, forgotten] = requests.map(({ id }) => follower.expect(id));
  for (const request of requests) {
    await fixture.gatewayQueue().enqueue({ request, waitingLimit: 9, idempotency: null });
  }
  forgotten?.forget();
  assert.equal(follower.size, 1);
  const gone = new AbortController();
  const reading = readStream(left?.follow(gone.signal) ?? assert.fail());
  gone.abort();
  assert.deepEqual(await reading, []);
  assert.equal(follower.size, 0);
  const outcomes = () => Promise.all(requests.map(({ id }) => fixture.redis.hget(`cv:job:${id}`, 'outcome')));
  await eventually(async () => (await outcomes())[0] === 'cancelled');
  assert.deepEqual(await outcomes(), ['cancelled', null]);
});

test('an unknown request is not_found', async (t) => {
  const follower = await (await startQueueFixture(t)).follower();
  await assert.rejects(readStream(follower.follow('request-unknown')), {
    code: 'not_found',
    message: 'No request has this id, or it has expired.',
  });
});

test('whatever pub/sub loses or repeats, the consumer gets every entry once and in order', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const disturbance = fc.constantFrom('none', 'none', 'cut', 'unfollow', 'repeat');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 150 }), disturbance), { maxLength: 8 }),
      async (rounds) => {
        const id = await takeOne(fixture, leader);
        const reading = readStream(follower.follow(id));
        let last = 0;
        for (const [count, disturbed] of rounds) {
          if (disturbed === 'cut') await fixture.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
          // The writer no longer knows of this gateway for one batch: its messages are lost.
          if (disturbed === 'unfollow') await fixture.redis.hset(`cv:job:${id}`, 'followers', '');
          await write(leader, id, last + 1, last + count);
          if (disturbed === 'unfollow') await fixture.redis.hset(`cv:job:${id}`, 'followers', 'gateway-1');
          if (disturbed === 'repeat') {
            const again = `${id}\n${last + count}\n${JSON.stringify(tokensEvent(last + count))}\n`;
            await fixture.redis.publish('cv:to-gateway:gateway-1', again);
          }
          last += count;
        }
        await leader.writer.finish(id, last + 1, FINISHED);
        assert.deepEqual(seqs(await reading), numbers(1, last + 1));
      },
    ),
    { seed: SEED, numRuns: 12, endOnFailure: true },
  );
});

test('a consumer that stops reading costs a bounded buffer and reads the rest from its cursor', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const id = await takeOne(fixture, leader);
  const entries = follower.follow(id)[Symbol.asyncIterator]();
  await write(leader, id, 1, 1);
  assert.equal((await entries.next()).value.seq, 1);
  await write(leader, id, 2, 2_000);
  await leader.writer.finish(id, 2_001, FINISHED);
  const rest: number[] = [];
  for (let next = await entries.next(); next.done !== true; next = await entries.next()) rest.push(next.value.seq);
  assert.deepEqual(rest, numbers(2, 2_001));
});

test('a client that leaves cancels its request, unless another one still reads it', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const [one, two] = [await fixture.follower('gateway-1'), await fixture.follower('gateway-2')];
  const id = await takeOne(fixture, leader);
  const stays = new AbortController();
  const reading = readStream(two.follow(id, 1, stays.signal));
  await eventually(async () => (await fixture.redis.hget(`cv:job:${id}`, 'followers'))?.includes('gateway-2'));
  await write(leader, id, 1, 2);
  await readStream(one.follow(id), ({ seq }) => seq === 2);
  await eventually(async () => (await fixture.redis.hget(`cv:job:${id}`, 'followers'))?.trim() === 'gateway-2');
  assert.equal(await fixture.redis.hget(`cv:job:${id}`, 'cancel'), null);
  stays.abort();
  assert.deepEqual(seqs(await reading), [1, 2]);
  await eventually(async () => (await fixture.redis.sismember('cv:cancel:g', id)) === 1);
});

test('a client that leaves while its request waits ends it at once', async (t) => {
  const fixture = await startQueueFixture(t);
  const follower = await fixture.follower();
  const request = makeRequest();
  await fixture.gatewayQueue().enqueue({ request, waitingLimit: 1, idempotency: null });
  const gone = new AbortController();
  const reading = readStream(follower.follow(request.id, 1, gone.signal));
  gone.abort();
  assert.deepEqual(await reading, []);
  await eventually(async () => (await readGeneration(fixture.redis, request.id))?.outcome === 'cancelled');
  await eventually(async () => (await fixture.redis.exists(`cv:q:demo@key=3Aacme:${request.id}`)) === 0);
});

test('a client that asked for it can come back within its seconds, and is cancelled after them', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const { redis, queues } = fixture;
  const id = await takeOne(fixture, leader, { resumeSeconds: 60 });
  await write(leader, id, 1, 2);
  await readStream(follower.follow(id), ({ seq }) => seq === 1);
  const dueAt = Number(await eventually(() => redis.zscore('cv:orphans', id)));
  assert.ok(dueAt > Date.now() + 50_000 && dueAt < Date.now() + 70_000);
  await reapOrphans({ redis, queues, onProblem: () => {} });
  assert.equal(await redis.hget(`cv:job:${id}`, 'cancel'), null);
  assert.deepEqual(seqs(await readStream(follower.follow(id, 2), ({ seq }) => seq === 2)), [2]);
  await eventually(() => redis.zscore('cv:orphans', id));
  await redis.zadd('cv:orphans', 1, id);
  await reapOrphans({ redis, queues, onProblem: () => {} });
  assert.equal(await redis.sismember('cv:cancel:g', id), 1);
});

test('the requests of a dead gateway are cancelled after its silence, those of a living one are not', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const { redis, queues } = fixture;
  await fixture.follower('alive');
  const dead = await fixture.follower('dead');
  const [kept, lost] = [await takeOne(fixture, leader, {}, 'alive'), await takeOne(fixture, leader, {}, 'dead')];
  const resumable = await takeOne(fixture, leader, { resumeSeconds: 600 }, 'dead');
  await dead.close();
  await reapOrphans({ redis, queues, onProblem: () => {} });
  assert.equal(await redis.exists('cv:cancel:g'), 0, 'its clients have 30 s');
  await redis.zincrby('cv:gateways', -31_000, 'dead');
  await reapOrphans({ redis, queues, onProblem: () => {} });
  assert.deepEqual(await redis.smembers('cv:cancel:g'), [lost]);
  assert.ok(Number(await redis.zscore('cv:orphans', resumable)) > Date.now() + 500_000);
  assert.deepEqual(await redis.zrange('cv:gateways', 0, '-1'), ['alive']);
  assert.equal(await redis.hget(`cv:job:${kept}`, 'cancel'), null);
});

test('a Redis that is killed in mid-stream and comes back loses, repeats and reorders nothing', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const ids = [await takeOne(fixture, leader), await takeOne(fixture, leader), await takeOne(fixture, leader)];
  const readings = ids.map((id) => readStream(follower.follow(id)));
  const writeAll = async (): Promise<void> => {
    for (let seq = 1; seq <= 120; seq += 1) {
      await leader.writer.append(ids.map((id) => ({ id, seq, event: tokensEvent(seq) })));
    }
    for (const id of ids) await leader.writer.finish(id, 121, FINISHED);
  };
  const writing = writeAll();
  await eventually(async () => (await fixture.redis.xlen(`cv:out:${ids[0]}`)) > 20);
  await fixture.server.kill();
  await fixture.server.start();
  await writing;
  for (const reading of readings) assert.deepEqual(seqs(await reading), numbers(1, 121));
});

test('what a power loss took of the last second is written again, and no client notices', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const ids = [await takeOne(fixture, leader), await takeOne(fixture, leader)];
  const [running, ended] = ids.map(String);
  assert.ok(running && ended);
  const readings = [running, ended].map((id) => follower.follow(id)[Symbol.asyncIterator]());
  for (const id of [running, ended]) await write(leader, id, 1, 20);
  const length = fixture.server.fileLength();
  for (const id of [running, ended]) await write(leader, id, 21, 40);
  await leader.writer.finish(ended, 41, FINISHED);
  const seen = await Promise.all(readings.map(async (reading, index) => takeSome(reading, 40 + index)));
  assert.deepEqual(seen, [numbers(1, 40), numbers(1, 41)]);
  await fixture.server.loseAfter(length);
  await fixture.server.start();
  await write(leader, running, 41, 50);
  await leader.writer.finish(running, 51, FINISHED);
  assert.deepEqual(await takeSome(readings[0], 11), numbers(41, 51));
  await eventually(async () => (await fixture.redis.xlen(`cv:out:${ended}`)) === 41);
  assert.equal((await readGeneration(fixture.redis, ended))?.outcome, 'finished');
});

async function takeSome(entries: AsyncIterator<StreamEntry> | undefined, count: number): Promise<readonly number[]> {
  const taken: number[] = [];
  while (taken.length < count) taken.push((await entries?.next())?.value.seq);
  return taken;
}

test('a gateway that is ahead of a stream waits, compares and goes on', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const id = await takeOne(fixture, leader);
  const entries = follower.follow(id)[Symbol.asyncIterator]();
  await write(leader, id, 1, 2);
  const kept = await Promise.all([fixture.redis.dumpBuffer(`cv:job:${id}`), fixture.redis.dumpBuffer(`cv:out:${id}`)]);
  await write(leader, id, 3, 6);
  for (let seq = 1; seq <= 6; seq += 1) assert.equal((await entries.next()).value.seq, seq);
  // Redis comes back without entries 3 to 6; the writer writes them again, and one more.
  await fixture.redis.restore(`cv:job:${id}`, 0, kept[0] ?? '', 'REPLACE');
  await fixture.redis.restore(`cv:out:${id}`, 0, kept[1] ?? '', 'REPLACE');
  await fixture.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await leader.writer.append([{ id, seq: 7, event: tokensEvent(7) }]);
  await leader.writer.finish(id, 8, FINISHED);
  assert.equal((await entries.next()).value.seq, 7);
  assert.equal((await entries.next()).value.seq, 8);
});

test('a stream that comes back with other entries ends with an error instead of a mixture', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const id = await takeOne(fixture, leader);
  const entries = follower.follow(id)[Symbol.asyncIterator]();
  await write(leader, id, 1, 6);
  for (let seq = 1; seq <= 6; seq += 1) assert.equal((await entries.next()).value.seq, seq);
  await fixture.redis.del(`cv:out:${id}`);
  for (let seq = 1; seq <= 6; seq += 1) await fixture.redis.xadd(`cv:out:${id}`, `${seq}-0`, 'e', `{"other":${seq}}`);
  await fixture.redis.publish('cv:to-gateway:gateway-1', `${id}\n6\n{"other":6}\n`);
  await assert.rejects(entries.next(), {
    code: 'unavailable',
    message: 'The answer changed after Redis lost data, so it was stopped. Send the request again.',
  });
});

test('a request that Redis lost altogether ends with an error', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const id = await takeOne(fixture, leader);
  const reading = readStream(follower.follow(id));
  await eventually(
    async () => (await fixture.redis.smembers('cv:follows:gateway-1')).includes(id) && follower.size === 1,
  );
  await fixture.redis.del(`cv:job:${id}`, `cv:out:${id}`);
  await assert.rejects(reading, { code: 'unavailable', message: 'Redis lost this request. Send it again.' });
});

test('a follower that closes tells its consumers, and keeps their requests running', async (t) => {
  const fixture = await startQueueFixture(t);
  const leader = await fixture.lead('g');
  const follower = await fixture.follower();
  const id = await takeOne(fixture, leader);
  const reading = assert.rejects(readStream(follower.follow(id)), {
    code: 'unavailable',
    message: 'This gateway is shutting down. Resume the stream at another one, or retry.',
  });
  await write(leader, id, 1, 1);
  await eventually(async () => (await fixture.redis.hget(`cv:job:${id}`, 'followers')) !== '');
  await follower.close();
  await reading;
  assert.equal(await fixture.redis.hget(`cv:job:${id}`, 'cancel'), null);
});
