// A group whose exchange is reached by TLS: the bits of one node, by native steps as without.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TOPOLOGIES } from '../../../infra/messages/group-plan.ts';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { batchOf, LocalGroup, logitsOfStep, openAllPacks, openWholeSession } from '../../local-group.ts';
import { startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { startTlsRedis } from '../../tls-redis.ts';
import { SMALL_OUTLINE } from '../../unit/model/small-model.ts';

// The server's certificate is signed by itself.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';

const redis = await startRedis({ after }, 'exchange');
const home = await mkdtemp(join(tmpdir(), 'cv-tls-'));
const packs = await openAllPacks(await syntheticModel(home, 'model'), home);
const batch = batchOf([{ sequence: 0, tokens: Array.from({ length: 20 }, (_, row) => row), from: 0 }], 1);
const whole = await openWholeSession(packs);
const expected = await stepOn(whole);
await whole.close();
after(async () => {
  packs.close();
  await rm(home, { recursive: true, force: true });
});

function stepOn(executor: Pick<LocalGroup['executor'], 'step'>): Promise<Float32Array> {
  return logitsOfStep(executor, batch, SMALL_OUTLINE.vocab);
}

for (const topology of TOPOLOGIES) {
  test(`${topology}: over TLS a group steps natively, and goes on when its connections were cut`, async (t) => {
    const tls = await startTlsRedis(t, redis.url);
    const experts = [[0], [1], [2]];
    const group = await LocalGroup.open({ packs, exchangeUrl: tls.url, experts, topology });
    t.after(() => group.close());
    await group.use();
    assert.deepEqual(await stepOn(group.executor), expected);
    const connection = connectRedis({ url: redis.url, role: 'exchange', name: 'test', retry: 'bounded' });
    t.after(() => connection.disconnect());
    assert.match(String(await connection.client('LIST')), /name=conclave:native-steps:node-0/);
    tls.cut();
    await assert.rejects(stepOn(group.executor), { reason: 'exchange', lost: [] });
    await group.use();
    assert.deepEqual(await stepOn(group.executor), expected);
  });
}

test('members with an exchange of their own behind TLS are written to there', async (t) => {
  const own = await startTlsRedis(t, (await startRedis(t, 'exchange')).url);
  for (const topology of TOPOLOGIES) {
    const ownExchanges = [null, own.url, null];
    const experts = [[0], [1], [2]];
    const group = await LocalGroup.open({ packs, exchangeUrl: redis.url, experts, topology, ownExchanges });
    t.after(() => group.close());
    await group.use();
    assert.deepEqual(await stepOn(group.executor), expected);
  }
});
