// A worker whose Redis is gone permanently must still stop, although it cannot return its requests.
import assert from 'node:assert/strict';
import { type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { eventually, prepareHome } from '../start-cluster.ts';
import { startRedis } from '../start-redis.ts';

test('a worker without Redis ends soon after its time to drain', async (t) => {
  const redis = await startRedis(t);
  const { home, modelFolder, configFile } = await prepareHome(t, { drainSeconds: 0.2 });
  const logFile = join(home, 'worker.log');
  const args = [join(REPOSITORY_ROOT, 'dist', 'workers', 'main.js'), '--config', configFile, '--model', modelFolder];
  const env = { ...process.env, REDIS_URL: redis.url, CONCLAVE_HOME: home };
  const stdio = ['ignore', 'ignore', openSync(logFile, 'w')] satisfies StdioOptions;
  const worker = spawn(process.execPath, args, { env, stdio });
  const ended = once(worker, 'exit').then(([code, signal]) => signal ?? code);
  redis.defer(async () => {
    worker.kill('SIGKILL');
    await ended;
  });
  const readLog = async () => readFileSync(logFile, 'utf8');
  await eventually('it leads', readLog, (log) => log.includes('leading'));
  await redis.kill();
  const killed = setTimeout(() => worker.kill('SIGKILL'), 20_000);
  worker.kill('SIGTERM');
  assert.equal(await ended, 1);
  clearTimeout(killed);
  assert.match(await readLog(), /Redis does not answer/);
});
