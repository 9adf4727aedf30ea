import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelCard } from '../../../infra/messages/model-card.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { type NodeReport, readNodes, startHeartbeat } from '../../../infra/registry/node-heartbeats.ts';
import { publishModelCard } from '../../../infra/registry/publish-model-card.ts';
import { watchModelCards } from '../../../infra/registry/watch-model-cards.ts';
import { eventually } from '../../queue-fixture.ts';
import { startRedis } from '../../start-redis.ts';

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

function report(id: string): NodeReport {
  return {
    id,
    group: 'g',
    model: 'demo',
    role: 'member',
    host: 'h',
    pid: 1,
    version: '0.1.0',
    backend: 'cpu',
    startedAtMs: 5,
    stats: { slots: 4 },
  };
}

test('a node is listed while it lives, and gone when it stops or dies', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', patience: 'forever' });
  server.defer(() => redis.disconnect());
  const [a, b] = [startHeartbeat(redis, () => report('a'), 50), startHeartbeat(redis, () => report('b'), 50)];
  await Promise.all([a.beat(), b.beat()]);
  assert.deepEqual(await readNodes(redis), [report('a'), report('b')]);
  await a.stop();
  assert.deepEqual(await readNodes(redis), [report('b')]);
  await b.stop();
  // One that died: its report runs out, whatever the list says.
  await redis.zadd('cv:nodes', Date.now(), 'c');
  assert.deepEqual(await readNodes(redis), []);
});

test('gateways see a card when it is published, changed and gone', async (t) => {
  const server = await startRedis(t);
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', patience: 'forever' });
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
  const redis = connectRedis({ url: server.url, role: 'durable', name: 'test', patience: 'forever' });
  server.defer(() => redis.disconnect());
  await publishModelCard(redis, card);
  await redis.config('RESETSTAT');
  await publishModelCard(redis, card);
  const stats = await redis.info('commandstats');
  assert.doesNotMatch(stats, /cmdstat_hset:/);
  assert.ok((await redis.pttl('cv:model:demo')) > 29_000, 'but keeps it alive');
});
