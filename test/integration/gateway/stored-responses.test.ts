// Responses of a real gateway on a real Redis: what is kept, for how long and how much of it, and what becomes of one in the
// background whose gateway has gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponseStore } from '../../../gateway/apis/responses/response-store.ts';
import type { StoredResponse } from '../../../gateway/apis/responses/stored-response.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { keyOf, singleKeys } from '../../../infra/redis/keys.ts';
import { startRedis } from '../../start-redis.ts';
import { caller, start, startOne, until } from './real-gateway.ts';

const RESPONSES = '/v1/responses';
const ASK = { model: 'words', input: 'count' };

function response(id: string, changes: Partial<StoredResponse> = {}): StoredResponse {
  const ending = { status: 'completed', output: [], usage: null, error: null, completedAtMs: 0 } as const;
  const request = { model: 'words' };
  const base = { id, tenant: 'acme', createdAtMs: 0, previous: null, background: false, store: true };
  return { ...base, request, input: [], ending, ...changes };
}

test('a tenant keeps as many bytes as it may, the last ones, and those that it goes on from', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'bounded' });
  server.defer(() => redis.disconnect());
  const size = JSON.stringify(response('resp_0')).length;
  const store = createResponseStore(redis, { retentionSeconds: 60, tenantBytes: 3 * size });
  for (const id of ['resp_0', 'resp_1', 'resp_2']) {
    await store.put(response(id));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await store.put(response('resp_9', { tenant: 'rival' }));
  await store.chain('resp_0', 'acme');
  await store.put(response('resp_3'));
  await assert.rejects(store.find('resp_1', 'acme'), { code: 'not_found' });
  for (const id of ['resp_0', 'resp_2', 'resp_3']) assert.equal((await store.find(id, 'acme')).id, id);
  assert.equal((await store.find('resp_9', 'rival')).tenant, 'rival');
  await store.put(response('resp_3'));
  assert.equal(Number(await redis.hget(keyOf('responseSizes', 'acme'), '')), 3 * size);
  await store.remove('resp_3', 'acme');
  await assert.rejects(store.remove('resp_2', 'rival'), { code: 'not_found' });
  await assert.rejects(store.chain('resp_2', 'rival'), { code: 'not_found' });
  assert.equal(Number(await redis.hget(keyOf('responseSizes', 'acme'), '')), 2 * size);
  const ttl = await redis.pttl(keyOf('response', 'resp_0'));
  assert.ok(ttl > 0 && ttl <= 60_000, String(ttl));
});

test('a response in the background outlives its gateway, and another one keeps its end', {
  timeout: 60_000,
}, async (t) => {
  const { redis, home, gateway, key, call, work } = await start(t);
  const worker = await work({ paced: true });
  const { id, status } = JSON.parse((await call('POST', RESPONSES, { ...ASK, background: true })).text);
  assert.equal(status, 'queued');
  const read = async (ask: typeof call) => JSON.parse((await ask('GET', `${RESPONSES}/${id}`)).text);
  await until(async () => (await read(call)).status === 'in_progress');
  await gateway.close();
  const other = await startOne(redis, home);
  await other.connected;
  worker.allow(10);
  const ask = caller(other.url, key.text);
  await until(async () => (await read(ask)).status === 'completed');
  assert.equal((await read(ask)).output[0].content[0].text, 'one two three');
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
  redis.defer(() => connection.disconnect());
  assert.equal(await connection.zcard(singleKeys.openResponses), 0);
  const { text } = await ask('GET', `${RESPONSES}/${id}?stream=true&starting_after=4`);
  assert.match(text, /"sequence_number":5/);
  assert.doesNotMatch(text, /"sequence_number":4/);
  const next = JSON.parse((await ask('POST', RESPONSES, { ...ASK, previous_response_id: id })).text);
  assert.equal(next.previous_response_id, id);
});
