// Keys, blocked tenants and limits on the whole gateway and a real Redis, across gateways.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { createTenantStore } from '../../../infra/tenants/tenant-store.ts';
import { startRedis } from '../../start-redis.ts';
import { CHAT, caller, openHome, start, startOne, until } from './real-gateway.ts';

test('a revoked key and a blocked tenant are refused at once, on every gateway', async (t) => {
  const { redis, home, key, call, admin } = await start(t);
  const other = await startOne(redis, home);
  await other.connected;
  const elsewhere = caller(other.url, key.text);
  assert.deepEqual(
    [(await call('GET', '/v1/models')).status, (await elsewhere('GET', '/v1/models')).status],
    [200, 200],
  );
  await admin('DELETE', '/admin/api/tenants/acme');
  assert.equal((await elsewhere('GET', '/v1/models')).status, 403);
  await admin('PATCH', '/admin/api/tenants/acme', { blocked: false });
  await admin('DELETE', `/admin/api/keys/${key.prefix}`);
  assert.deepEqual(
    [(await call('GET', '/v1/models')).status, (await elsewhere('GET', '/v1/models')).status],
    [401, 401],
  );
  const audit = JSON.parse((await admin('GET', '/admin/api/audit')).text).data;
  assert.deepEqual(
    audit.map((entry: { action: string }) => entry.action),
    ['key.revoke', 'tenant.set', 'tenant.revoke'],
  );
});

test('of two operators who block each other at once one stays, and a blocked one cannot undo it', async (t) => {
  const redis = await startRedis(t);
  await openHome(t, redis);
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
  redis.defer(() => connection.disconnect());
  const tenants = createTenantStore(connection, configSchema.parse({}).tenants);
  await tenants.create('ops-2', {}, Date.now());
  for (let round = 0; round < 20; round += 1) {
    const tries = await Promise.allSettled([
      tenants.set('ops', { blocked: true }, 0, 'ops-2'),
      tenants.set('ops-2', { blocked: true }, 0, 'ops'),
    ]);
    assert.deepEqual(tries.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    const [blocked = ''] = (await tenants.list()).filter(({ policy }) => policy.blocked).map(({ id }) => id);
    await assert.rejects(tenants.set(blocked, { blocked: false }, 0, blocked), { code: 'insufficient_scope' });
    await tenants.set(blocked, { blocked: false }, 0);
  }
});

test('the waiting limit of a tenant is a 429 with Retry-After', async (t) => {
  const { call, admin, job, work } = await start(t);
  const worker = await work();
  await worker.stop();
  await admin('PATCH', '/admin/api/tenants/acme', { maxWaiting: 1 });
  const waiting = call('POST', '/v1/chat/completions', { ...CHAT, stream: true });
  await until(async () => (await job('waiting')) !== undefined);
  const refused = await call('POST', '/v1/chat/completions', CHAT);
  assert.equal(refused.status, 429, refused.text);
  assert.match(String(refused.headers['retry-after']), /^\d+$/);
  assert.equal(JSON.parse(refused.text).error.code, 'queue_full');
  await admin('POST', `/admin/api/jobs/${(await job('waiting')).id}/cancel`);
  assert.match((await waiting).text, /event: error\ndata: .*"code":"cancelled"/);
});

test('requests per minute are limited across gateways', async (t) => {
  const { call, admin, redis, home, key } = await start(t);
  const other = await startOne(redis, home);
  await other.connected;
  await admin('PATCH', '/admin/api/tenants/acme', { requestsPerMinute: 2 });
  const seen: [status: number, remaining: number][] = [];
  const ask = async (on: typeof call, method: 'GET' | 'POST', path: string) => {
    const { status, headers } = await on(method, path, method === 'POST' ? CHAT : undefined);
    assert.match(String(headers['x-ratelimit-reset-requests']), /^\d+s$/);
    assert.equal(headers['x-ratelimit-limit-requests'], '2');
    assert.equal(headers['retry-after'] !== undefined, status === 429);
    seen.push([status, Number(headers['x-ratelimit-remaining-requests'])]);
  };
  await ask(call, 'GET', '/v1/models');
  await ask(call, 'POST', '/v1/chat/completions');
  await ask(caller(other.url, key.text), 'POST', '/v1/chat/completions');
  await ask(call, 'GET', '/v1/models/words');
  await ask(call, 'POST', '/v1/chat/completions');
  await ask(call, 'GET', '/v1/streams/unknown');
  const expected = [
    [200, 2],
    [404, 1],
    [404, 0],
    [404, 0],
    [429, 0],
    [404, 0],
  ];
  assert.deepEqual(seen, expected);
});
