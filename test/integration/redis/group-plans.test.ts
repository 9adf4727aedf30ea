import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupPlan } from '../../../infra/messages/group-plan.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import {
  publishPlacement,
  publishPlan,
  readPlacement,
  readPlan,
  readPlanHistory,
} from '../../../infra/registry/group-plans.ts';
import { acquireLease } from '../../../workers/cluster/lease.ts';
import { type Cleanup, startRedis } from '../../start-redis.ts';

const PLAN: Omit<GroupPlan, 'epoch'> = {
  group: 'g',
  leader: 'a',
  topology: 'decentralized',
  members: [
    { id: 'a', incarnation: 'ia', experts: [0, 1], shared: true, exchangeUrl: null, speed: 1 },
    { id: 'b', incarnation: 'ib', experts: [], shared: true, exchangeUrl: 'redis://b', speed: 1.5 },
  ],
  numericsClass: 'cpu',
  modelHash: 'ab'.repeat(32),
  reason: 'b joined',
  createdAtMs: 5,
};

async function connect(test: Cleanup) {
  const server = await startRedis(test);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  return redis;
}

test('a plan comes back as it was, its epoch above leases, plans and what the leader has seen', async (t) => {
  const redis = await connect(t);
  assert.equal(await readPlan(redis, 'g'), null);
  const lease = await acquireLease({ redis, group: 'g', nodeId: 'a' }, 0);
  assert.ok(lease);
  const first = await publishPlan(redis, lease.fence(), PLAN, 0);
  assert.deepEqual(first, { ...PLAN, epoch: lease.epoch + 1 });
  assert.deepEqual(await readPlan(redis, 'g'), first);
  const second = await publishPlan(redis, lease.fence(), { ...PLAN, reason: 'b left' }, 40);
  assert.equal(second.epoch, 41);
  assert.deepEqual(await readPlanHistory(redis, 'g', 10), [second, first]);
  await lease.release();
  const next = await acquireLease({ redis, group: 'g', nodeId: 'b' }, 0);
  assert.equal(next?.epoch, 42);
  await next?.release();
});

test('a leader that lost its lease can put no plan in force', async (t) => {
  const redis = await connect(t);
  const lease = await acquireLease({ redis, group: 'g', nodeId: 'a' }, 0);
  assert.ok(lease);
  const fence = lease.fence();
  await lease.release();
  const next = await acquireLease({ redis, group: 'g', nodeId: 'b' }, 0);
  await assert.rejects(publishPlan(redis, fence, PLAN, 0), { code: 'fenced' });
  assert.equal(await readPlan(redis, 'g'), null);
  await next?.release();
});

test('a placement comes back as it was', async (t) => {
  const redis = await connect(t);
  assert.equal(await readPlacement(redis, 'g'), null);
  const placement = { modelHash: 'ab', nodes: [{ id: 'a', experts: [], shared: true }] };
  await publishPlacement(redis, 'g', placement);
  assert.deepEqual(await readPlacement(redis, 'g'), placement);
});
