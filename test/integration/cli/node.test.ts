// `conclave node` when it cannot take part.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { startHeartbeat } from '../../../infra/registry/node-heartbeats.ts';
import { PROTOCOL_VERSION } from '../../../workers/cluster/admit-nodes.ts';
import { acquireLease } from '../../../workers/cluster/lease.ts';
import { PACK_VERSION } from '../../../workers/pack/pack-format.ts';
import { nodeReport } from '../../node-report.ts';
import { runConclave, runConclaveBeside } from '../../run-conclave.ts';
import { type Cleanup, startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

/** Those of this process. */
const VERSIONS = { protocol: PROTOCOL_VERSION, layoutVersion: PACK_VERSION };

/** A group `main` that node `a` leads, as far as others can see. */
async function ledGroup(test: Cleanup) {
  const server = await startRedis(test);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  const lease = await acquireLease({ redis, group: 'main', nodeId: 'a', leaseMs: 60_000 }, 0);
  const heartbeat = await startHeartbeat(redis, () => ({ ...nodeReport('a', VERSIONS), group: 'main' }));
  server.defer(async () => {
    await heartbeat.stop();
    await lease?.release();
    redis.disconnect();
  });
  return server;
}

/** Starts node `id` with a model of its own, to join that group. */
async function joinLedGroup(test: TestContext, id: string) {
  const [home, server] = [await temporaryFolder(test), await ledGroup(test)];
  const model = await syntheticModel(home, 'model');
  return runConclaveBeside('node', '--join', server.url, '--model', model, '--home', home, '--node', id);
}

test('a node with another checkpoint than its group has is refused with both hashes', async (t) => {
  const { status, stderr } = await joinLedGroup(t, 'b');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /conclave: Node b has model model with checkpoint hash [0-9a-f]{16} in bf16, but a, which leads group main, has model demo with checkpoint hash abababababababab in bf16\. Give both the same checkpoint/,
  );
});

test('a node id that is in use is refused, naming who has it', async (t) => {
  const { status, stderr } = await joinLedGroup(t, 'a');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /conclave: The node id a is in use by process 1 on h\. Stop that process, or start this node with another --node ID\./,
  );
});

test('a node without a model needs a group that has one', async (t) => {
  const [home, server] = [await temporaryFolder(t), await startRedis(t)];
  const { status, stderr } = await runConclaveBeside('node', '--join', server.url, '--home', home);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /conclave: No node of group main serves a model yet\. Start the first one with --model FOLDER\./,
  );
});

test('an invalid address is refused without being repeated', () => {
  const { status, stderr } = runConclave('node', '--join', 'http://:secret@10.0.0.2');
  assert.equal(status, 1);
  assert.match(
    stderr,
    /conclave: Expected redis:\/\/, rediss:\/\/ or unix:\/\/ for REDIS_URL but received a "http:" URL\./,
  );
  assert.doesNotMatch(stderr, /secret/);
});
