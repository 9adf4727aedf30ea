// A group of nodes gives the bits of one node: any number of nodes, both topologies, decoding, chunks and batches.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Topology } from '../../../infra/messages/group-plan.ts';
import type { StepBatch } from '../../../native/model-session.ts';
import { batchOf, LocalGroup, logitsOfStep, openAllPacks, openWholeSession } from '../../local-group.ts';
import { startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { SMALL_SIZES } from '../../unit/model/small-model.ts';

const EXPERTS = 6;
const SIZES = { ...SMALL_SIZES, layers: 3, experts: EXPERTS, topK: 3 };
const ALL = Array.from({ length: EXPERTS }, (_, expert) => expert);

const redis = await startRedis({ after }, 'exchange');
const home = await mkdtemp(join(tmpdir(), 'cv-group-'));
const packs = await openAllPacks(await syntheticModel(home, 'model', { sizes: SIZES }), home);
const whole = await openWholeSession(packs);
after(async () => {
  await whole.close();
  packs.close();
  await rm(home, { recursive: true, force: true });
});

/** A deterministic token for each position of each sequence. */
function tokens(sequence: number, from: number, count: number): number[] {
  return Array.from({ length: count }, (_, offset) => (sequence * 131 + (from + offset) * 17 + 3) % SIZES.vocab);
}

/** A prompt in chunks beside others, rows above and below the limit of all-to-all, then decoding in a batch. */
const STEPS: readonly StepBatch[] = [
  batchOf([{ sequence: 0, tokens: tokens(0, 0, 1), from: 0 }], 2),
  batchOf([{ sequence: 1, tokens: tokens(1, 0, 50), from: 0 }], 2),
  batchOf(
    [
      { sequence: 0, tokens: tokens(0, 1, 1), from: 1 },
      { sequence: 1, tokens: tokens(1, 50, 33), from: 50 },
      { sequence: 2, tokens: tokens(2, 0, 7), from: 0 },
    ],
    2,
  ),
  ...[0, 1, 2, 3].map((round) =>
    batchOf(
      [
        { sequence: 0, tokens: tokens(0, 2 + round, 1), from: 2 + round },
        { sequence: 1, tokens: tokens(1, 83 + round, 1), from: 83 + round },
        { sequence: 2, tokens: tokens(2, 7 + round, 1), from: 7 + round },
      ],
      2,
    ),
  ),
];

async function logitsOf(executor: { step(b: StepBatch, l: Float32Array): Promise<void> }, steps = STEPS) {
  const all: Float32Array[] = [];
  for (const batch of steps) all.push(await logitsOfStep(executor, batch, SIZES.vocab));
  return all;
}

const PLACEMENTS: Readonly<Record<string, readonly (readonly number[])[]>> = {
  'one node': [ALL],
  'two nodes, each with all experts': [ALL, ALL],
  'two nodes, disjoint experts': [
    [0, 2, 4],
    [1, 3, 5],
  ],
  'a leader without experts': [[], [0, 1, 2], [3, 4, 5]],
  'three nodes with overlapping experts': [
    [0, 1, 2, 3],
    [2, 3, 4, 5],
    [4, 5, 0, 1],
  ],
  'four nodes': [
    [0, 1],
    [2, 3, 4],
    [5, 0, 1],
    [3, 4],
  ],
};

for (const topology of ['centralized', 'decentralized'] satisfies Topology[]) {
  for (const [name, experts] of Object.entries(PLACEMENTS)) {
    test(`${topology}, ${name}: the logits of one session`, async (t) => {
      const group = await LocalGroup.open({ packs, exchangeUrl: redis.url, experts, topology });
      t.after(() => group.close());
      await group.use();
      assert.deepEqual(await logitsOf(group.executor), await logitsOf(whole));
      assert.deepEqual(
        group.nodes.flatMap(({ problems }) => problems),
        [],
      );
    });
  }
}

test('decentralized: a member that is not asked for anything keeps up, and is there when it is', async (t) => {
  // Steps of one row that the leader computes alone, then one of 24 rows, whose owners are both.
  const alone = Array.from({ length: 40 }, (_, from) =>
    batchOf([{ sequence: 0, tokens: tokens(0, from, 1), from }], 1),
  );
  const steps = [...alone, batchOf([{ sequence: 0, tokens: tokens(0, 40, 24), from: 40 }], 1)];
  const deadlines = { floorMs: 5_000, factor: 8 };
  const experts = [ALL, []];
  const group = await LocalGroup.open({ packs, exchangeUrl: redis.url, experts, topology: 'decentralized', deadlines });
  t.after(() => group.close());
  await group.use();
  assert.deepEqual(await logitsOf(group.executor, steps), await logitsOf(whole, steps));
});
