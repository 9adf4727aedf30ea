import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { checkRedisServer } from '../../../infra/redis/check-redis-server.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { runRedis } from '../../../infra/redis/run-redis.ts';
import { askRedis } from '../../../infra/redis/script-errors.ts';

function tempFolder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'cv-run-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a durable server is what the check wants, and has its data after a restart', async (t) => {
  const dir = tempFolder(t);
  const first = await runRedis({ role: 'durable', dir, listen: 'unix', password: 'pw' });
  const redis = connectRedis({ url: first.url, role: 'durable', name: 'test', retry: 'forever' });
  t.after(() => redis.disconnect());
  assert.deepEqual(await checkRedisServer(redis, 'durable'), []);
  await redis.set('kept', 'yes');
  await first.stop();
  assert.deepEqual(await first.exited, { code: 0, signal: null });
  const second = await runRedis({ role: 'durable', dir, listen: 'unix', password: 'pw' });
  t.after(() => second.kill());
  assert.equal(second.url, first.url);
  assert.equal(await redis.get('kept'), 'yes');
});

test('an exchange server on a loopback port writes no file and wants its password', async (t) => {
  const dir = tempFolder(t);
  const server = await runRedis({ role: 'exchange', dir, listen: 0 });
  t.after(() => server.kill());
  assert.match(server.url, /^redis:\/\/:[0-9a-f]{48}@127\.0\.0\.1:\d+$/);
  const redis = connectRedis({ url: server.url, role: 'exchange', name: 'test', retry: 'bounded' });
  t.after(() => redis.disconnect());
  assert.deepEqual(await checkRedisServer(redis, 'exchange'), []);
  await redis.set('gone', 'soon');
  assert.equal(existsSync(join(dir, 'appendonlydir')), false);
  const stranger = connectRedis({
    url: server.url.replace(/:[0-9a-f]{48}@/, ':wrong@'),
    role: 'exchange',
    name: 'stranger',
    retry: 'bounded',
  });
  t.after(() => stranger.disconnect());
  await assert.rejects(stranger.get('gone'), /NOAUTH|WRONGPASS/);
});

test('a path too long for a socket is served on a loopback port', async (t) => {
  const dir = join(tempFolder(t), 'x'.repeat(110));
  const server = await runRedis({ role: 'durable', dir, listen: 'unix' });
  t.after(() => server.kill());
  assert.match(server.url, /^redis:/);
});

test('a server that a killed process left behind is replaced, with its data', async (t) => {
  const dir = tempFolder(t);
  const left = await runRedis({ role: 'durable', dir, listen: 'unix' });
  const before = connectRedis({ url: left.url, role: 'durable', name: 'test', retry: 'forever' });
  await before.set('kept', 'yes');
  before.disconnect();
  const next = await runRedis({ role: 'durable', dir, listen: 'unix' });
  t.after(() => next.kill());
  await left.exited;
  const after = connectRedis({ url: next.url, role: 'durable', name: 'test', retry: 'forever' });
  t.after(() => after.disconnect());
  assert.equal(await after.get('kept'), 'yes');
});

test('a server that does not start says why', async (t) => {
  const dir = tempFolder(t);
  writeFileSync(join(dir, 'appendonlydir'), 'in the way');
  await assert.rejects(runRedis({ role: 'durable', dir, listen: 'unix' }), {
    code: 'unavailable',
    message: /^redis-server did not start: .*appendonlydir/,
  });
});

test('an append-only file that is missing is named with the remedy, and nothing is overwritten', async (t) => {
  const dir = tempFolder(t);
  const options = { role: 'durable', dir, listen: 'unix', password: 'pw' } as const;
  const first = await runRedis(options);
  const redis = connectRedis({ url: first.url, role: 'durable', name: 'test', retry: 'forever' });
  t.after(() => redis.disconnect());
  await redis.set('kept', 'yes');
  await first.stop();
  const folder = join(dir, 'appendonlydir');
  const files = readdirSync(folder);
  assert.ok(files.length >= 3, String(files));
  for (const file of files) {
    renameSync(join(folder, file), join(dir, file));
    await assert.rejects(runRedis(options), {
      code: 'unavailable',
      message:
        `The data of Redis is incomplete: ${join(folder, file)} is missing. ` +
        `Restore it from a backup of ${folder}, or move that folder away to start empty.`,
    });
    renameSync(join(dir, file), join(folder, file));
  }
  const again = await runRedis(options);
  t.after(() => again.kill());
  assert.equal(await redis.get('kept'), 'yes');
});

test('a client request fails within seconds when Redis is unreachable, a worker waits for it', async (t) => {
  const dir = tempFolder(t);
  const server = await runRedis({ role: 'durable', dir, listen: 'unix', password: 'pw' });
  const [bounded, forever] = (['bounded', 'forever'] as const).map((retry) =>
    connectRedis({ url: server.url, role: 'durable', name: retry, retry }),
  );
  assert.ok(bounded && forever);
  t.after(() => [bounded, forever].map((redis) => redis.disconnect()));
  await Promise.all([bounded.ping(), forever.ping()]);
  await server.kill();
  const waiting = forever.ping();
  await assert.rejects(askRedis(bounded.ping()), { code: 'unavailable', message: 'Redis does not answer.' });
  const again = await runRedis({ role: 'durable', dir, listen: 'unix', password: 'pw' });
  t.after(() => again.kill());
  assert.equal(await waiting, 'PONG');
});
