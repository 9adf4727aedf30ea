// The keys of a home from start to start, and what people are told when they are gone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { operatorKeys } from '../../../infra/cli/supervise/operator-keys.ts';
import { configSchema } from '../../../infra/config/config-schema.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { createKeyStore } from '../../../infra/tenants/key-store.ts';
import { createTenantStore } from '../../../infra/tenants/tenant-store.ts';
import { startRedis } from '../../start-redis.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

test('keys stay from start to start, and are replaced with a warning when Redis is empty or refuses one', async (t) => {
  const home = await temporaryFolder(t);
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'bounded' });
  server.defer(() => redis.disconnect());
  const keys = createKeyStore(redis, Buffer.alloc(32, 1));
  const tenants = createTenantStore(redis, configSchema.parse({}).tenants);
  const start = async () => {
    const said: string[] = [];
    const made = await operatorKeys(home, keys, tenants, Date.now(), (line) => void said.push(line));
    return { ...made, said: said.join('\n') };
  };
  const first = await start();
  assert.equal(first.said, '', 'a first start has nothing to warn of');
  assert.deepEqual(await start(), first);
  await redis.flushall();
  const emptied = await start();
  assert.match(emptied.said, /^WARNING: .* was used before, but its Redis is empty: .*\n.*restore it and start again/);
  assert.notEqual(emptied.adminKey, first.adminKey);
  const previous = JSON.parse(readFileSync(join(home, 'operator-keys.previous.json'), 'utf8'));
  assert.deepEqual(previous, { apiKey: first.apiKey, adminKey: first.adminKey });
  await keys.revoke(emptied.adminKey.split('_')[1] ?? '', Date.now());
  const revoked = await start();
  assert.match(revoked.said, /^WARNING: A key of .*operator-keys\.json is no longer valid: it was revoked/);
  assert.equal(revoked.apiKey, emptied.apiKey);
  assert.deepEqual(await start(), { ...revoked, said: '' });
});
