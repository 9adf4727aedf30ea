// What can go wrong between the nodes of a group, and what the leader's caller learns of it.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { connectRedis } from '../../../infra/redis/connect.ts';
import { keyOf } from '../../../infra/redis/keys.ts';
import { stepPrefix } from '../../../workers/exchange/frame-id.ts';
import { logFields } from '../../../workers/exchange/step-log.ts';
import { StepFailure } from '../../../workers/node/step-failure.ts';
import {
  batchOf,
  LocalGroup,
  type LocalGroupOptions,
  logitsOfStep,
  openAllPacks,
  openWholeSession,
} from '../../local-group.ts';
import { eventually } from '../../start-cluster.ts';
import { startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { SMALL_OUTLINE } from '../../unit/model/small-model.ts';

const ALL = [0, 1, 2];
/** In both layers. */
const ALL_IDS = [0, 1, 2, 3, 4, 5];
const deadlines = { floorMs: 300, factor: 4 };
const redis = await startRedis({ after }, 'exchange');
const home = await mkdtemp(join(tmpdir(), 'cv-failures-'));
const packs = await openAllPacks(await syntheticModel(home, 'model'), home);
const batch = batchOf([{ sequence: 0, tokens: [1, 2, 3, 4], from: 0 }], 1);
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

/** Steps until one fails: what a leader reads in the log reaches it beside its steps. */
async function stepFor(milliseconds: number, executor: LocalGroup['executor']): Promise<void> {
  const end = performance.now() + milliseconds;
  while (performance.now() < end) await stepOn(executor);
}

async function open(t: TestContext, options: Partial<LocalGroupOptions>): Promise<LocalGroup> {
  const group = await LocalGroup.open({
    packs,
    exchangeUrl: redis.url,
    experts: [ALL, ALL],
    topology: 'centralized',
    deadlines,
    ...options,
  });
  t.after(() => group.close());
  return group;
}

function exchange(t: TestContext) {
  const connection = connectRedis({ url: redis.url, role: 'exchange', name: 'test', retry: 'bounded' });
  t.after(() => connection.disconnect());
  return connection;
}

test('centralized: the share of a member that is gone goes to another within the step', async (t) => {
  const group = await open(t, { experts: [[], ALL, ALL] });
  await group.use();
  await group.nodes[1]?.stop();
  assert.deepEqual(await stepOn(group.executor), expected);
  assert.deepEqual(group.executor.observations().suspects, ['node-1']);
  assert.deepEqual(await stepOn(group.executor), expected, 'and gets nothing more');
  await group.use([0, 2]);
  assert.deepEqual(group.executor.observations().suspects, []);
});

test('centralized: with no other holder the step fails and says who was lost', async (t) => {
  const group = await open(t, { experts: [[0], [1, 2]] });
  await group.use();
  await group.nodes[1]?.stop();
  await assert.rejects(stepOn(group.executor), { name: 'StepFailure', reason: 'no_holder', lost: ['node-1'] });
  await assert.rejects(stepOn(group.executor), { reason: 'exchange', message: 'No plan is in force.' });
});

test('centralized: a member that cannot compute says so, and others do it at once', async (t) => {
  const group = await open(t, { deadlines: { floorMs: 60_000, factor: 4 } });
  await group.use();
  group.nodes[1]?.session.detachExperts(ALL_IDS);
  assert.deepEqual(await stepOn(group.executor), expected);
  assert.deepEqual(group.executor.observations().suspects, ['node-1']);
  const first = async () => group.nodes[1]?.problems[0];
  const problem = await eventually('the member reports it', first, (reported) => reported !== undefined);
  assert.match(String(problem), /expert \d of layer \d is not attached/);
});

test('decentralized: a member that is gone is named, and the group goes on without it', async (t) => {
  const group = await open(t, { topology: 'decentralized', experts: [ALL, ALL, ALL] });
  await group.use();
  await group.nodes[2]?.stop();
  await assert.rejects(stepOn(group.executor), { reason: 'deadline', lost: ['node-2'] });
  await group.use([0, 1]);
  assert.deepEqual(await stepOn(group.executor), expected);
});

test('decentralized: a member that cannot go on says why, without waiting for the deadline', async (t) => {
  const group = await open(t, { topology: 'decentralized', deadlines: { floorMs: 60_000, factor: 4 } });
  await group.use();
  group.nodes[1]?.session.detachExperts(ALL_IDS);
  await assert.rejects(stepOn(group.executor), { reason: 'member', lost: ['node-1'], message: /is not attached/ });
});

test('decentralized: members that route differently are found out, and centralized they do no harm', async (t) => {
  const other = await openAllPacks(await syntheticModel(home, 'other', { seed: 2 }), home);
  t.after(() => other.close());
  const group = await open(t, { topology: 'decentralized', foreignPacks: new Map([[1, other]]) });
  await group.use();
  await assert.rejects(stepOn(group.executor), { reason: 'routing', lost: [] });
});

for (const topology of ['centralized', 'decentralized'] as const) {
  test(`${topology}: a process that was started again under its old id takes no part`, async (t) => {
    const group = await open(t, { topology, experts: [[0], ALL] });
    const plan = group.plan([0, 1]);
    const members = plan.members.map((member, index) => (index === 1 ? { ...member, incarnation: 'before' } : member));
    await group.executor.usePlan({ ...plan, members });
    await assert.rejects(stepOn(group.executor), ({ lost }) => lost.length === 1 && lost[0] === 'node-1');
  });
}

test('a frame that cannot be read is dropped, counted, and its sender named', async (t) => {
  const group = await open(t, { topology: 'decentralized' });
  await group.use();
  const stream = keyOf('frames', `${group.name}:node-1>node-0`);
  await exchange(t).xadd(stream, `${stepPrefix(1, 1)}-1`, 'h', 'no header', 'b', '');
  await assert.rejects(stepOn(group.executor), { reason: 'member', lost: ['node-1'] });
  assert.equal(group.executor.observations().badFrames, 1);
});

test('a leader whose group has a newer plan of another leader is fenced', async (t) => {
  const group = await open(t, {});
  await group.use();
  const [old, newer] = [group.plan([0, 1]), group.plan([0, 1])];
  const { field, payload } = logFields({ kind: 'plan', plan: { ...newer, leader: 'node-1' } });
  await exchange(t).xadd(keyOf('steps', group.name), `${stepPrefix(newer.epoch, 0)}-1`, field, payload);
  await assert.rejects(stepFor(10_000, group.executor), { code: 'fenced' });
  await assert.rejects(group.executor.usePlan(old), { reason: 'exchange' });
});

test('a plan that leaves an expert without a holder is refused', async (t) => {
  const group = await open(t, { experts: [[0], [1]] });
  await assert.rejects(group.use(), { reason: 'no_holder', message: /expert 2/ });
});

for (const topology of ['centralized', 'decentralized'] as const) {
  test(`${topology}: the exchange goes away and comes back: steps fail without naming a node, then continue`, async (t) => {
    const own = await startRedis(t, 'exchange');
    const group = await open(t, { exchangeUrl: own.url, topology, experts: [[0], ALL] });
    await group.use();
    assert.deepEqual(await stepOn(group.executor), expected);
    await own.kill();
    await assert.rejects(stepOn(group.executor), { reason: 'exchange', lost: [] });
    await own.start();
    await group.use();
    assert.deepEqual(await stepOn(group.executor), expected);
  });
}

test('centralized: an expert that only a suspect holds fails a later layer in the same words', async (t) => {
  const group = await open(t, {
    experts: [
      [0, 1],
      [0, 1, 2],
    ],
  });
  await group.use();
  await group.nodes[1]?.stop();
  const one = batchOf([{ sequence: 0, tokens: [7], from: 0 }], 1);
  const failure = await (async () => {
    for (let step = 0; step < 20; step += 1) {
      const batch = { ...one, tokens: Int32Array.of(step) };
      await group.executor.step(batch, new Float32Array(SMALL_OUTLINE.vocab));
    }
  })().catch((thrown: unknown) => thrown);
  assert.ok(failure instanceof StepFailure, String(failure));
  assert.deepEqual([failure.reason, failure.lost], ['no_holder', ['node-1']]);
  assert.match(failure.message, /node-1: No answer in time/);
});

test('members with an exchange of their own are written to there', async (t) => {
  const own = await startRedis(t, 'exchange');
  for (const topology of ['centralized', 'decentralized'] as const) {
    const group = await open(t, { topology, experts: [[0], [1], [2]], ownExchanges: [null, own.url, null] });
    await group.use();
    assert.deepEqual(await stepOn(group.executor), expected);
  }
});

test('streams keep no more than what may still be read', async (t) => {
  const group = await open(t, { topology: 'decentralized', experts: [ALL, ALL, ALL] });
  await group.use();
  const rows = Array.from({ length: 60 }, (_, index) => index);
  const long = batchOf([{ sequence: 0, tokens: rows, from: 0 }], 1);
  for (let round = 0; round < 3; round += 1)
    await group.executor.step(long, new Float32Array(60 * SMALL_OUTLINE.vocab));
  const connection = exchange(t);
  const streams = await connection.keys(keyOf('frames', `${group.name}:*`));
  assert.ok(streams.length > 0);
  for (const stream of streams) {
    assert.ok((await connection.xlen(stream)) <= 2, stream);
    assert.ok((await connection.pttl(stream)) > 0, stream);
  }
});
