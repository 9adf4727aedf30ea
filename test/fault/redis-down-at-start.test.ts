// A gateway that starts before its Redis: what it answers meanwhile, that it can be stopped, and that it needs no restart.
import assert from 'node:assert/strict';
import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { connectRedis } from '../../infra/redis/connect.ts';
import { createKeyStore } from '../../infra/tenants/key-store.ts';
import { readPepper } from '../../infra/tenants/read-pepper.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { eventually } from '../start-cluster.ts';
import { startRedis } from '../start-redis.ts';
import { temporaryFolder } from '../temporary-folder.ts';

/** Starts the gateway's process without a Redis. */
async function startAlone(t: TestContext) {
  const home = join(await temporaryFolder(t), 'home');
  const redis = await startRedis(t);
  await redis.stop();
  const env = { ...process.env, REDIS_URL: redis.url, CONCLAVE_HOME: home, CONCLAVE_PORT: '0' };
  const logFile = join(await temporaryFolder(t), 'gateway.log');
  const stdio = ['ignore', 'ignore', openSync(logFile, 'w')] satisfies StdioOptions;
  const gateway = spawn(process.execPath, [join(REPOSITORY_ROOT, 'dist', 'gateway', 'main.js')], { env, stdio });
  const ended = once(gateway, 'exit').then(([code, signal]) => signal ?? code);
  redis.defer(async () => {
    gateway.kill('SIGKILL');
    await ended;
  });
  const readAddress = async () => /"address":"([^"]+)"/.exec(readFileSync(logFile, 'utf8'))?.[1];
  const address = await eventually('the gateway listens', readAddress, (found) => found !== undefined);
  const get = async (path: string, key = 'none') => {
    const headers = { authorization: `Bearer ${key}` };
    const { statusCode, body } = await request(`${address}${path}`, { headers });
    return { status: statusCode, body: await body.json() };
  };
  return { home, redis, gateway, ended, get };
}

test('a gateway without Redis answers 503 in the shape of the API, and serves once Redis is there', async (t) => {
  const { home, redis, get } = await startAlone(t);
  const unknownKey = `cvk_${'0'.repeat(12)}_${'0'.repeat(43)}`;
  assert.equal((await get('/healthz')).status, 200);
  assert.deepEqual(await get('/readyz'), {
    status: 503,
    body: { status: 'not ready', reasons: ['Redis does not answer.'] },
  });
  assert.deepEqual(await get('/v1/models', unknownKey), {
    status: 503,
    body: { error: { message: 'Redis does not answer.', type: 'server_error', param: null, code: 'unavailable' } },
  });

  await redis.start();
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', retry: 'forever' });
  redis.defer(() => connection.disconnect());
  const keys = createKeyStore(connection, readPepper(join(home, 'pepper')));
  const { text: key } = await keys.create({ tenant: 'a', name: '', scopes: ['chat'], expiresAtMs: null }, Date.now());
  await eventually(
    'the gateway is connected',
    () => get('/v1/models', key),
    ({ status }) => status === 200,
  );
  assert.deepEqual(await get('/readyz'), {
    status: 503,
    body: { status: 'not ready', reasons: ['No worker serves a model.'] },
  });
});

test('a gateway that waits for Redis ends on SIGTERM', async (t) => {
  const { gateway, ended, get } = await startAlone(t);
  assert.equal((await get('/readyz')).status, 503);
  gateway.kill('SIGTERM');
  assert.equal(await ended, 0);
});
