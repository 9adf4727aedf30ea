// A real gateway on a real Redis, with a worker that writes words: for the tests of this folder.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
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

export const WORDS = ['one ', 'two ', 'three'] as const;
export const CHAT = { model: 'words', messages: [{ role: 'user', content: 'count' }] };

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
}

/** Keys are made through the stores, as the command line does. */
export async function openHome(t: TestContext, redis: TestRedis) {
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

export async function startOne(redis: TestRedis, home: string, config: object = {}) {
  const settings = configSchema.parse({ port: 0, home, redisUrl: redis.url, drainSeconds: 0.2, ...config });
  const gateway = await startGateway(settings, createLogger('test', 'silent'));
  redis.defer(() => gateway.close());
  return gateway;
}

/** Every answer is held against the API's description. */
const answersChecked = createScriptedGateway().then(({ app }) =>
  describedAnswers(describeApi(app) as unknown as ApiDescription),
);

export function caller(url: string, key: string) {
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

export async function start(t: TestContext, config: object = {}) {
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
    newKey,
    job: async (state: string) => (await read(`/jobs?state=${state}`)).data[0],
    record: (id: string) => read(`/jobs/${id}`),
    work: async (options: { paced?: boolean } = {}) => {
      const worker = await serveWords(gateway.url, redis.url, WORDS, options);
      redis.defer(() => worker.stop());
      return worker;
    },
  };
}

export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'it happened in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The text of a stream's chunks; an error event has no choices. */
export const textOf = (sse: string) =>
  sse
    .split('\n')
    .filter((line) => line.startsWith('data: {') && line.includes('"choices"'))
    .map((line) => JSON.parse(line.slice(6)).choices[0]?.delta.content ?? '')
    .join('');
