// A gateway that starts before its Redis: what it answers meanwhile, and that it needs no restart afterwards.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from 'undici';
import { startGateway } from '../../gateway/start-gateway.ts';
import { configSchema } from '../../infra/config/config-schema.ts';
import { pepperPath } from '../../infra/config/read-config.ts';
import { createLogger } from '../../infra/log/logger.ts';
import { connectRedis } from '../../infra/redis/connect.ts';
import { createKeyStore } from '../../infra/tenants/key-store.ts';
import { readPepper } from '../../infra/tenants/read-pepper.ts';
import { startRedis } from '../start-redis.ts';
import { temporaryFolder } from '../temporary-folder.ts';

test('a gateway without Redis answers 503 in the shape of the API, and serves once Redis is there', async (t) => {
  const redis = await startRedis(t);
  await redis.stop();
  const config = configSchema.parse({ home: join(await temporaryFolder(t), 'home'), port: 0, redisUrl: redis.url });
  const gateway = await startGateway(config, createLogger('gateway', 'silent'));
  redis.defer(() => gateway.close());
  const get = async (path: string, key: string) => {
    const { statusCode, body } = await request(`${gateway.url}${path}`, {
      headers: { authorization: `Bearer ${key}` },
    });
    return { status: statusCode, body: await body.json() };
  };

  const someKey = `cvk_${'0'.repeat(16)}_${'0'.repeat(43)}`;
  assert.equal((await get('/healthz', '')).status, 200);
  assert.deepEqual(await get('/readyz', ''), {
    status: 503,
    body: { status: 'not ready', reasons: ['Redis does not answer.'] },
  });
  const refused = await get('/v1/models', someKey);
  assert.deepEqual(refused, {
    status: 503,
    body: { error: { message: 'x', type: 'server_error', param: null, code: 'unavailable' } },
  });

  await redis.start();
  await gateway.connected;
  const connection = connectRedis({ url: redis.url, role: 'durable', name: 'test', patience: 'forever' });
  redis.defer(() => connection.disconnect());
  const options = { tenant: 'default', name: '', scopes: ['chat'], expiresAtMs: null } as const;
  const { text: key } = await createKeyStore(connection, readPepper(pepperPath(config))).create(options, Date.now());
  assert.deepEqual(await get('/v1/models', key), { status: 200, body: { object: 'list', data: [] } });
  assert.deepEqual(await get('/readyz', ''), {
    status: 503,
    body: { status: 'not ready', reasons: ['No worker serves a model.'] },
  });
});
