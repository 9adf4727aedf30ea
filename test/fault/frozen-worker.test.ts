// A worker that stops for longer than its lease (a paused machine, a long swap) and goes on while another one leads: it must
// notice before it writes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { NodeReport } from '../../infra/registry/node-heartbeats.ts';
import { openStream, Transcript } from '../chat-stream.ts';
import { REPOSITORY_ROOT } from '../repository-root.ts';
import { cleanupInReverse, eventually, longChatBody, startCluster, type TestCluster } from '../start-cluster.ts';
import type { Cleanup } from '../start-redis.ts';

const SOME = 50;

/** Nodes that say that they lead. */
async function leadersOf(cluster: TestCluster): Promise<readonly string[]> {
  const { data } = (await cluster.admin('GET', 'nodes')) as { readonly data: readonly NodeReport[] };
  return data.filter(({ role }) => role === 'leader').map(({ id }) => id);
}

/** Starts one more worker in the cluster's group; it waits for the lease. */
function startSecondWorker(cleanup: Cleanup, cluster: TestCluster): void {
  const args = ['--config', cluster.configFile, '--model', cluster.modelFolder, '--node', 'node-2'];
  const REDIS_URL = readFileSync(join(cluster.home, 'redis-durable', 'url'), 'utf8');
  const worker = spawn(process.execPath, [join(REPOSITORY_ROOT, 'dist', 'workers', 'main.js'), ...args], {
    env: { ...process.env, REDIS_URL, CONCLAVE_HOME: cluster.home },
    stdio: 'ignore',
  });
  const ended = once(worker, 'exit');
  cleanup.after(async () => {
    worker.kill('SIGKILL');
    await ended;
  });
}

test('a frozen worker is replaced, and once awake writes nothing more', async (t) => {
  const cleanup = cleanupInReverse(t);
  const cluster = await startCluster(cleanup);
  const url = `${cluster.url}/v1/chat/completions`;
  const call = { method: 'POST' as const, url, key: cluster.apiKey, body: longChatBody(1500) };
  const undisturbed = new Transcript();
  await (await openStream(call, undisturbed)).read();
  startSecondWorker(cleanup, cluster);

  const transcript = new Transcript();
  const stream = await openStream(call, transcript);
  await stream.read(() => transcript.ids.length > SOME);
  process.kill(cluster.pid('worker'), 'SIGSTOP');
  await eventually(
    'the second worker leads',
    () => leadersOf(cluster),
    (leaders) => leaders.includes('node-2'),
  );
  const wokenAtMs = Date.now();
  process.kill(cluster.pid('worker'), 'SIGCONT');
  await stream.read();

  assert.equal(transcript.text, undisturbed.text);
  assert.deepEqual(transcript.ids, undisturbed.ids);
  assert.ok(transcript.done);
  const { endedAtMs } = (await cluster.admin('GET', `jobs/${stream.id}`)) as { readonly endedAtMs: number };
  assert.ok(endedAtMs > wokenAtMs, 'it woke while the other one wrote');
  await eventually(
    'the first worker noticed',
    async () => readFileSync(join(cluster.home, 'worker.log'), 'utf8'),
    (log) => log.includes('lost the lease'),
  );
  await eventually(
    'one leader',
    () => leadersOf(cluster),
    (leaders) => leaders.join() === 'node-2',
  );
});
