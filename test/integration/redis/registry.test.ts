import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { test } from 'node:test';
import type { ModelCard } from '../../../infra/messages/model-card.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { type NodeReport, readNodes, startHeartbeat } from '../../../infra/registry/node-heartbeats.ts';
import { publishModelCard } from '../../../infra/registry/publish-model-card.ts';
import { watchModelCards } from '../../../infra/registry/watch-model-cards.ts';
import { nodeReport } from '../../node-report.ts';
import { eventually } from '../../queue-fixture.ts';
import { type Cleanup, startRedis } from '../../start-redis.ts';

const card: ModelCard = {
  name: 'demo',
  family: 'mixtral',
  created: 1_700_000_000,
  maxContext: 4_096,
  vocab: 512,
  dtype: 'bf16',
  eosTokenIds: [2],
  tokenizer: {
    family: 'dbrx',
    specialTokensMapJson: null,
    tokenizerJson: '{"version":"1.0"}',
    tokenizerConfigJson: '{}',
    generationConfigJson: null,
    chatTemplate: '{{ messages }}',
  },
  description: 'for tests',
};

function report(id: string, changes: Partial<NodeReport> = {}): NodeReport {
  return { ...nodeReport(id), ...changes };
}

async function connect(test: Cleanup) {
  const server = await startRedis(test);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  return redis;
}

test('a node is listed while it lives, and gone when it stops or dies', async (t) => {
  const redis = await connect(t);
  const beat = (id: string) => startHeartbeat(redis, () => report(id), 50);
  const [a, b] = await Promise.all([beat('a'), beat('b')]);
  assert.deepEqual(await readNodes(redis), [report('a'), report('b')]);
  await a.stop();
  assert.deepEqual(await readNodes(redis), [report('b')]);
  await b.stop();
  // One that died: its report runs out, whatever the list says.
  await redis.zadd('cv:nodes', Date.now(), 'c');
  assert.deepEqual(await readNodes(redis), []);
});

test('a node id that another process lives under is refused, naming that process', async (t) => {
  const redis = await connect(t);
  const first = await startHeartbeat(redis, () => report('a', { host: 'red', pid: 7 }), 30);
  await assert.rejects(
    startHeartbeat(redis, () => report('a', { incarnation: 'other' }), 30),
    {
      code: 'conflict',
      message:
        'The node id a is in use by process 7 on red. Stop that process, or start this node with another --node ID.',
    },
  );
  assert.equal((await readNodes(redis))[0]?.host, 'red');
  await first.stop();
});

test('the id of a process of this host that has ended is free at once', async (t) => {
  const redis = await connect(t);
  const ended = spawnSync(process.execPath, ['--version']).pid;
  await redis.set('cv:node:a', JSON.stringify(report('a', { host: hostname(), pid: ended })), 'PX', 60_000);
  const second = await startHeartbeat(redis, () => report('a', { incarnation: 'other' }), 50);
  assert.deepEqual(
    (await readNodes(redis)).map(({ incarnation }) => incarnation),
    ['other'],
  );
  await second.stop();
});

test('a process whose id was taken while it was silent finds out', async (t) => {
  const redis = await connect(t);
  const first = await startHeartbeat(redis, () => report('a'), 50);
  await redis.set('cv:node:a', JSON.stringify(report('a', { incarnation: 'other' })));
  await new Promise((resolve) => first.displaced.addEventListener('abort', resolve, { once: true }));
  await first.stop();
  assert.deepEqual(
    (await readNodes(redis)).map(({ incarnation }) => incarnation),
    ['other'],
  );
});

test('gateways see a card when it is published, changed and gone', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  const cards = await watchModelCards({ url: server.url });
  server.defer(() => cards.close());
  assert.equal(cards.get('demo'), null);
  await publishModelCard(redis, card);
  assert.deepEqual(await eventually(async () => cards.get('demo')), card);
  const changed = { ...card, maxContext: 8_192 };
  await publishModelCard(redis, changed);
  await eventually(async () => cards.get('demo')?.maxContext === 8_192);
  assert.deepEqual(cards.list(), [changed]);
  await redis.del('cv:model:demo');
  await eventually(async () => cards.get('demo') === null);
});

test('publishing the same card again sends its content no second time', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', retry: 'forever' });
  server.defer(() => redis.disconnect());
  await publishModelCard(redis, card);
  await redis.config('RESETSTAT');
  await publishModelCard(redis, card);
  const stats = await redis.info('commandstats');
  assert.doesNotMatch(stats, /cmdstat_hset:/);
  assert.ok((await redis.pttl('cv:model:demo')) > 29_000, 'but keeps it alive');
});
