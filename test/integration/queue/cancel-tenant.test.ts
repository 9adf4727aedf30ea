// Blocking a tenant ends its work: what waits, what runs, and what was about to be admitted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlQueues } from '../../../infra/queue/control-queues.ts';
import { readGeneration } from '../../../infra/queue/inspect-jobs.ts';
import { takeNext } from '../../../workers/queue/take-next.ts';
import { makeRequest, type QueueFixture, startQueueFixture } from '../../queue-fixture.ts';

async function enqueue(fixture: QueueFixture, change: { readonly tenant: string; readonly model?: string }) {
  const request = makeRequest(change);
  await fixture.gatewayQueue().enqueue({ request, waitingLimit: 100, idempotency: null });
  return request.id;
}

test('all requests of a tenant are cancelled, on every model, and those of others are not', async (t) => {
  const fixture = await startQueueFixture(t);
  const running = await enqueue(fixture, { tenant: 'acme' });
  const leader = await fixture.lead('g');
  assert.equal((await takeNext(leader.parts))?.request.id, running);
  const waiting = await enqueue(fixture, { tenant: 'acme' });
  const onOtherModel = await enqueue(fixture, { tenant: 'acme', model: 'large' });
  const others = await enqueue(fixture, { tenant: 'acme2' });
  const control = controlQueues(fixture.redis);
  fixture.server.defer(() => control.close());
  await control.cancelTenant('acme');
  for (const id of [waiting, onOtherModel]) {
    assert.equal((await readGeneration(fixture.redis, id))?.outcome, 'cancelled', id);
  }
  assert.deepEqual(await fixture.redis.smembers('cv:cancel:g'), [running], 'the group is told to stop the running one');
  assert.equal((await readGeneration(fixture.redis, others))?.state, 'waiting');
  await control.cancelTenant('acme');
  await control.cancelTenant('unknown');
});

test('a request that passed authentication before its tenant was blocked is not admitted after', async (t) => {
  const fixture = await startQueueFixture(t);
  await fixture.redis.hset('cv:tenant:acme', 'blocked', 'true');
  await assert.rejects(enqueue(fixture, { tenant: 'acme' }), { code: 'insufficient_scope' });
  assert.deepEqual(await fixture.redis.keys('cv:waiting:*'), []);
  await fixture.redis.hset('cv:tenant:acme', 'blocked', 'false');
  assert.ok(await enqueue(fixture, { tenant: 'acme' }));
});
