// The whole gateway on a real Redis, with a worker that takes jobs and writes tokens but has no model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'undici';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { CHAT, caller, start, startOne, textOf, until, WORDS } from './real-gateway.ts';

test('answers through queue and worker, streaming and not, and under one Idempotency-Key once', async (t) => {
  const { call, admin, work } = await start(t);
  await work();
  const key = { 'idempotency-key': 'once' };
  const json = await call('POST', '/v1/chat/completions', CHAT, key);
  assert.equal(json.status, 200, json.text);
  assert.equal(JSON.parse(json.text).choices[0].message.content, 'one two three');
  const again = await call('POST', '/v1/chat/completions', CHAT, key);
  assert.equal(again.text, json.text);
  const stream = await call('POST', '/v1/chat/completions', { ...CHAT, stream: true });
  assert.equal(textOf(stream.text), 'one two three');
  assert.match(stream.text, /data: \[DONE\]\n\n$/);
  const jobs = JSON.parse((await admin('GET', '/admin/api/jobs?state=ended')).text);
  assert.equal(jobs.total, 2);
  const [queue] = JSON.parse((await admin('GET', '/admin/api/queues')).text).data;
  assert.deepEqual([queue.queue, queue.finished, queue.weight], ['words@acme', 2, 1]);
  const metrics = (await admin('GET', '/metrics')).text;
  assert.match(metrics, /conclave_queue_requests\{model="words",tenant="acme",state="waiting"\} 0/);
  assert.ok(metrics.includes(`conclave_queue_tokens_served{model="words",tenant="acme"} ${queue.tokensServed}`));
});

test('a retry after the answer has expired is generated again, never by an error behind a 200', async (t) => {
  const { redis, call, work } = await start(t, { stream: { replaySeconds: 1 } });
  await work();
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
  redis.defer(() => connection.disconnect());
  const ask = () => call('POST', '/v1/chat/completions', { ...CHAT, stream: true }, { 'idempotency-key': 'expires' });
  const first = await ask();
  await until(async () => (await connection.keys('cv:out:*')).length === 0);
  const second = await ask();
  assert.deepEqual([first.status, second.status, textOf(second.text)], [200, 200, 'one two three']);
  assert.doesNotMatch(second.text, /event: error/);
  assert.notEqual(second.headers['conclave-id'], first.headers['conclave-id']);
});

test('before a worker serves a model there is none, and /readyz says so', async (t) => {
  const { call } = await start(t);
  assert.deepEqual(JSON.parse((await call('GET', '/readyz')).text).reasons, ['No worker serves a model.']);
  assert.equal((await call('POST', '/v1/chat/completions', CHAT)).status, 404);
});

test('a stream that broke with its gateway goes on at another one, without a lost or repeated word', async (t) => {
  const { home, key, redis, work, call, job } = await start(t);
  const worker = await work({ paced: true });
  const first = await startOne(redis, home);
  await first.connected;
  const dying = caller(first.url, key.text);
  await until(async () => (await dying('GET', '/readyz')).status === 200);
  const broken = dying('POST', '/v1/chat/completions', { ...CHAT, stream: true }, { 'conclave-resume': '30' });
  worker.allow(2);
  await until(async () => (await job('running'))?.completionTokens > WORDS[0].length);
  await first.close();
  const { text, headers } = await broken;
  assert.match(text, /event: error\ndata: .*"code":"unavailable"/);
  const lastId = text
    .match(/^id: (\d+)$/gm)
    ?.at(-1)
    ?.slice(4);
  assert.equal(lastId, '2');
  worker.allow(1);
  const rest = await call('GET', `/v1/streams/${headers['conclave-id']}`, undefined, { 'last-event-id': lastId });
  assert.equal(textOf(text) + textOf(rest.text), 'one two three');
  assert.match(rest.text, /data: \[DONE\]\n\n$/);
});

test('a client that hangs up cancels its request; one that asked to resume does not', async (t) => {
  const { gateway, key, call, record, work } = await start(t);
  const worker = await work({ paced: true });
  const open = async (extra: object) => {
    const { body, headers } = await request(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key.text}`, 'content-type': 'application/json', ...extra },
      body: JSON.stringify({ ...CHAT, stream: true }),
    });
    body.on('error', () => {});
    return { body, id: String(headers['conclave-id']) };
  };
  const kept = await open({ 'conclave-resume': '60' });
  const left = await open({});
  const running = async ({ id }: { id: string }) => (await record(id)).state === 'running';
  await until(async () => (await running(kept)) && (await running(left)));
  kept.body.destroy();
  left.body.destroy();
  await until(() => worker.cancelled().includes(left.id));
  worker.allow(3);
  await until(async () => (await record(kept.id)).outcome === 'finished');
  assert.equal(textOf((await call('GET', `/v1/streams/${kept.id}`)).text), 'one two three');
});

test('the job board is read-only behind authentication and asks for nothing outside', async (t) => {
  const { admin, call, work } = await start(t);
  await work();
  await call('POST', '/v1/chat/completions', CHAT);
  const page = await admin('GET', '/admin/queues');
  assert.equal(page.status, 200);
  assert.match(String(page.headers['content-security-policy']), /style-src 'self' 'unsafe-inline'/);
  const script = page.text.match(/src="(static\/js\/main[^"]+)"/)?.[1];
  assert.equal((await admin('GET', `/admin/queues/${script}`)).status, 200);
  const queues = await admin('GET', '/admin/queues/api/queues');
  assert.equal(queues.status, 200, queues.text);
  assert.equal(JSON.parse(queues.text).queues[0].name, 'words@acme');
  assert.equal((await admin('PUT' as 'POST', '/admin/queues/api/queues/words%40acme/pause')).status, 405);
  assert.equal((await call('GET', '/admin/queues')).status, 403);
});
