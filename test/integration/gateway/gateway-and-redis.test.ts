// The whole gateway on a real Redis, with a worker that takes jobs and writes tokens but has no model.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { request } from 'undici';
import { describeApi } from '../../../gateway/routes/openapi.ts';
import { startGateway } from '../../../gateway/start-gateway.ts';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { createLogger } from '../../../infra/log/logger.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { createKeyStore } from '../../../infra/tenants/key-store.ts';
import { readPepper } from '../../../infra/tenants/read-pepper.ts';
import type { Scope } from '../../../infra/tenants/scope.ts';
import { createTenantStore } from '../../../infra/tenants/tenant-store.ts';
import { type ApiDescription, describedAnswers } from '../../gateway-parts/described-answers.ts';
import { createScriptedGateway } from '../../gateway-parts/scripted-gateway.ts';
import { serveWords } from '../../gateway-parts/word-worker.ts';
import { startRedis, type TestRedis } from '../../start-redis.ts';

const WORDS = ['one ', 'two ', 'three'] as const;
const CHAT = { model: 'words', messages: [{ role: 'user', content: 'count' }] };

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** Keys are made through the stores, as the command line does. */
async function openHome(t: TestContext, redis: TestRedis) {
  const home = mkdtempSync(join(tmpdir(), 'cv-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
  redis.defer(() => connection.disconnect());
  const keys = createKeyStore(connection, readPepper(join(home, 'pepper')));
  const tenants = createTenantStore(connection, configSchema.parse({}).tenants);
  for (const tenant of ['acme', 'ops']) await tenants.create(tenant, {}, Date.now());
  const newKey = async (scopes: readonly Scope[], tenant = 'acme') =>
    keys.create({ tenant, name: 'test', scopes, expiresAtMs: null }, Date.now());
  return { home, newKey };
}

async function startOne(redis: TestRedis, home: string, config: object = {}) {
  const settings = configSchema.parse({ port: 0, home, redisUrl: redis.url, drainSeconds: 0.2, ...config });
  const gateway = await startGateway(settings, createLogger('test', 'silent'));
  redis.defer(() => gateway.close());
  return gateway;
}

test('a gateway that never reached Redis closes without waiting for it', async (t) => {
  let attempts = 0;
  const broken = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve));
  t.after(() => broken.close());
  const home = mkdtempSync(join(tmpdir(), 'cv-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const redisUrl = `redis://127.0.0.1:${(broken.address() as AddressInfo).port}`;
  const settings = configSchema.parse({ port: 0, home, redisUrl, drainSeconds: 0.2 });
  const gateway = await startGateway(settings, createLogger('test', 'silent'));
  const refused = assert.rejects(gateway.connected, 'a caller that awaits it gets the error');
  while (attempts < 6) await delay(5);
  await gateway.close();
  await refused;
  // What was under way is counted when it arrives.
  await delay(50);
  const last = attempts;
  // A connection tries again after a second at the latest.
  await delay(1_200);
  assert.equal(attempts, last, 'no connection is tried any more');
});

/** Every answer below is held against the API's description. */
const answersChecked = createScriptedGateway().then(({ app }) =>
  describedAnswers(describeApi(app) as unknown as ApiDescription),
);

function caller(url: string, key: string) {
  return async (
    method: 'GET' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    body?: object,
    headers = {},
  ): Promise<Answer> => {
    const answer = await request(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    const { statusCode: status, headers: fields } = answer;
    const text = await answer.body.text();
    const known = Object.entries(fields).filter(([, value]) => typeof value === 'string') as [string, string][];
    (await answersChecked)({ method, path, status, headers: new Headers(known), body: text });
    return { status, headers: fields, text };
  };
}

async function start(t: TestContext, config: object = {}) {
  const redis = await startRedis(t);
  const { home, newKey } = await openHome(t, redis);
  const gateway = await startOne(redis, home, config);
  await gateway.connected;
  const key = await newKey(['chat']);
  const operator = await newKey(['admin:read', 'admin:write'], 'ops');
  const admin = caller(gateway.url, operator.text);
  const read = async (path: string) => JSON.parse((await admin('GET', `/admin/api${path}`)).text);
  return {
    redis,
    home,
    gateway,
    key,
    admin,
    call: caller(gateway.url, key.text),
    /** The first job in a state, and the job of an id. */
    job: async (state: string) => (await read(`/jobs?state=${state}`)).data[0],
    record: (id: string) => read(`/jobs/${id}`),
    work: async (options: { paced?: boolean } = {}) => {
      const worker = await serveWords(gateway.url, redis.url, WORDS, options);
      redis.defer(() => worker.stop());
      return worker;
    },
  };
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'it happened in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The text of a stream's chunks; an error event has no choices. */
const textOf = (sse: string) =>
  sse
    .split('\n')
    .filter((line) => line.startsWith('data: {') && line.includes('"choices"'))
    .map((line) => JSON.parse(line.slice(6)).choices[0]?.delta.content ?? '')
    .join('');

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

const REFUSALS = {
  'has no memory left': {
    break: async (redis: Redis) => void (await redis.config('SET', 'maxmemory', '1')),
    mend: async (redis: Redis) => void (await redis.config('SET', 'maxmemory', '0')),
    reason: 'Redis has reached its maxmemory and accepts no writes.',
  },
  'became a replica': {
    break: async (redis: Redis) => void (await redis.replicaof('127.0.0.1', '1')),
    mend: async (redis: Redis) => void (await redis.replicaof('NO', 'ONE')),
    reason: 'Redis is a read-only replica and accepts no writes.',
  },
  'could not save': {
    break: async (redis: Redis) => {
      const [, dir = ''] = (await redis.config('GET', 'dir')) as string[];
      // Where the snapshot is to be renamed to; with an entry, so that no rename replaces it.
      mkdirSync(join(dir, 'dump.rdb', 'in-the-way'), { recursive: true });
      await redis.config('SET', 'save', '3600 1');
      await redis.bgsave();
      await until(async () => /rdb_last_bgsave_status:err/.test(await redis.info('persistence')));
    },
    mend: async (redis: Redis) => void (await redis.config('SET', 'save', '')),
    reason: 'Redis could not save its snapshot and accepts no writes. Its log has the reason.',
  },
} as const;

for (const [what, refusal] of Object.entries(REFUSALS)) {
  test(`a Redis that ${what} is why a gateway is not ready, and clients are told to come again`, async (t) => {
    const { redis, call, admin, work } = await start(t);
    const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'bounded' });
    redis.defer(() => connection.disconnect());
    await work();
    await refusal.break(connection);
    await until(async () => (await call('GET', '/readyz')).status === 503);
    assert.deepEqual(JSON.parse((await call('GET', '/readyz')).text).reasons, [refusal.reason]);
    for (const refused of [
      await call('POST', '/v1/chat/completions', CHAT),
      await call('POST', '/v1/chat/completions', { ...CHAT, stream: true }),
      await admin('POST', '/admin/api/tenants', { id: 'late' }),
      await admin('PATCH', '/admin/api/tenants/acme', { weight: 2 }),
      await admin('POST', '/admin/api/keys', { tenant: 'acme' }),
    ]) {
      assert.deepEqual([refused.status, JSON.parse(refused.text).error.code], [503, 'unavailable'], refused.text);
      assert.equal(refused.headers['retry-after'], '1');
    }
    await refusal.mend(connection);
    await until(async () => (await call('GET', '/readyz')).status === 200);
    assert.equal((await call('POST', '/v1/chat/completions', CHAT)).status, 200);
  });
}

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

test('with Redis away everything but /healthz is a 503, and comes back with it', async (t) => {
  const { call, redis } = await start(t);
  await redis.stop();
  assert.equal((await call('GET', '/healthz')).status, 200);
  const ready = await call('GET', '/readyz');
  assert.deepEqual([ready.status, JSON.parse(ready.text).reasons], [503, ['Redis does not answer.']]);
  const refused = await call('POST', '/v1/chat/completions', CHAT);
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1']);
  const error = { message: 'Redis does not answer.', type: 'server_error', param: null, code: 'unavailable' };
  assert.deepEqual(JSON.parse(refused.text), { error });
  await redis.start();
  await until(async () => (await call('GET', '/v1/models')).status === 200);
});

test('a stream outlives a restart of Redis, without a lost or repeated word', async (t) => {
  const { call, redis, job, work } = await start(t);
  const worker = await work({ paced: true });
  const streaming = call('POST', '/v1/chat/completions', { ...CHAT, stream: true });
  worker.allow(1);
  await until(async () => (await job('running'))?.completionTokens > 0);
  await redis.stop();
  await redis.start();
  worker.allow(2);
  const { text } = await streaming;
  assert.equal(textOf(text), 'one two three');
  assert.deepEqual(text.match(/^id: \d+$/gm), ['id: 1', 'id: 2', 'id: 3', 'id: 4']);
});

test('a stream whose Redis stays away ends with a timeout event, and is not cut', async (t) => {
  const { call, redis, job, work } = await start(t, { limits: { answerSeconds: 2 } });
  const worker = await work({ paced: true });
  const streaming = call('POST', '/v1/chat/completions', { ...CHAT, stream: true });
  worker.allow(1);
  await until(async () => (await job('running'))?.completionTokens > 0);
  await worker.stop();
  await redis.stop();
  const { status, text } = await streaming;
  assert.deepEqual([status, textOf(text)], [200, 'one ']);
  const message = 'The answer took longer than this server allows. Lower max_tokens, or retry when it is less busy.';
  const error = { message, type: 'server_error', param: null, code: 'timeout' };
  assert.ok(text.endsWith(`event: error\ndata: ${JSON.stringify({ error })}\n\n`), text);
  assert.ok(!text.includes('[DONE]'));
  await redis.start();
});

test('a gateway that starts without Redis answers 503, and serves once Redis is there', async (t) => {
  const redis = await startRedis(t);
  const { home, newKey } = await openHome(t, redis);
  const key = await newKey(['chat']);
  await redis.stop();
  const gateway = await startOne(redis, home);
  const call = caller(gateway.url, key.text);
  assert.equal((await call('GET', '/v1/models')).status, 503);
  await redis.start();
  await gateway.connected;
  await until(async () => (await call('GET', '/v1/models')).status === 200);
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
