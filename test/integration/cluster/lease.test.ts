import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { acquireLease, readLease } from '../../../workers/cluster/lease.ts';
import { eventually } from '../../queue-fixture.ts';
import { startRedis, type TestRedis } from '../../start-redis.ts';

function connect(server: TestRedis) {
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'lease', retry: 'forever' });
  server.defer(() => redis.disconnect());
  return redis;
}

test('one of many candidates wins, and all can read which', async (t) => {
  const redis = connect(await startRedis(t));
  const leases = await Promise.all(
    ['a', 'b', 'c', 'd'].map((nodeId) => acquireLease({ redis, group: 'g', nodeId, leaseMs: 3_000 }, 0)),
  );
  const held = leases.filter((lease) => lease !== null);
  assert.equal(held.length, 1);
  assert.equal(held[0]?.held, true);
  assert.deepEqual(await readLease(redis, 'g'), {
    epoch: 1,
    nonce: held[0]?.nonce,
    nodeId: ['a', 'b', 'c', 'd'][leases.findIndex((lease) => lease !== null)],
  });
  assert.equal(await readLease(redis, 'other'), null);
  await held[0]?.release();
});

test('every epoch is above all earlier ones, and above what the node has seen', async (t) => {
  const redis = connect(await startRedis(t));
  const epochs: number[] = [];
  for (const seen of [0, 0, 41, 3]) {
    const lease = await acquireLease({ redis, group: 'g', nodeId: 'n' }, seen);
    epochs.push(lease?.epoch ?? -1);
    await lease?.release();
  }
  assert.deepEqual(epochs.slice(0, 2), [1, 2]);
  assert.deepEqual(epochs.slice(2), [42, 43]);
});

test('a lease that is renewed outlives its length, a released one is free at once', async (t) => {
  const redis = connect(await startRedis(t));
  const lease = await acquireLease({ redis, group: 'g', nodeId: 'n', leaseMs: 600 }, 0);
  const until = performance.now() + 1_500;
  await eventually(async () => performance.now() > until);
  assert.equal(lease?.held, true);
  assert.equal(await acquireLease({ redis, group: 'g', nodeId: 'm' }, 0), null);
  await lease?.release();
  assert.equal(lease?.held, false);
  const next = await acquireLease({ redis, group: 'g', nodeId: 'm' }, 0);
  assert.equal(next?.epoch, 2);
  await next?.release();
});

test('a holder that cannot reach Redis fences itself before the lease can be given to another', async (t) => {
  const server = await startRedis(t);
  const redis = connect(server);
  const lease = await acquireLease({ redis, group: 'g', nodeId: 'n', leaseMs: 900 }, 0);
  assert.ok(lease);
  const startedAt = performance.now();
  await server.kill();
  await new Promise((resolve) => lease.lost.addEventListener('abort', resolve, { once: true }));
  assert.ok(performance.now() - startedAt <= 1_000, 'within its length');
  assert.equal(lease.held, false);
  assert.throws(() => lease.fence(), { code: 'fenced', message: 'This process does not lead group g any more.' });
  await server.start();
});

test('a holder whose lease was taken away finds out at its next renewal', async (t) => {
  const redis = connect(await startRedis(t));
  const lease = await acquireLease({ redis, group: 'g', nodeId: 'n', leaseMs: 900 }, 0);
  assert.ok(lease);
  await redis.set('cv:lease:g', '7:0123456789abcdef');
  await new Promise((resolve) => lease.lost.addEventListener('abort', resolve, { once: true }));
  assert.throws(() => lease.fence(), { code: 'fenced' });
});

test('after a restart of Redis no node leads for a lease length, then one with a higher epoch', async (t) => {
  const server = await startRedis(t);
  const redis = connect(server);
  const before = await acquireLease({ redis, group: 'g', nodeId: 'n', leaseMs: 1_000 }, 0);
  assert.equal(before?.epoch, 1);
  await server.kill();
  await server.start();
  // As if the append-only file had lost the lease, which its holder may still trust.
  await redis.del('cv:lease:g', 'cv:epoch:g');
  assert.equal(await acquireLease({ redis, group: 'g', nodeId: 'm', leaseMs: 1_000 }, 1), null);
  const after = await eventually(() => acquireLease({ redis, group: 'g', nodeId: 'm', leaseMs: 1_000 }, 1));
  assert.equal(after.epoch, 1_001, 'above any election that was lost');
  assert.equal(before?.held, false, 'the old one had fenced itself');
  await after.release();
});

test('after a restart of Redis a released lease can be acquired immediately', async (t) => {
  const server = await startRedis(t);
  const redis = connect(server);
  const before = await acquireLease({ redis, group: 'g', nodeId: 'n', leaseMs: 60_000 }, 0);
  await before?.release();
  await server.stop();
  await server.start();
  const after = await acquireLease({ redis, group: 'g', nodeId: 'm', leaseMs: 60_000 }, 0);
  assert.equal(after?.epoch, 1_001);
  await server.stop();
  await server.start();
  assert.equal(await acquireLease({ redis, group: 'g', nodeId: 'n', leaseMs: 60_000 }, 0), null, 'this one was not');
});
