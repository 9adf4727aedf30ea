// Any node of a group, the leader too, may die at any layer: the group goes on without it and the bits stay the same.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Topology } from '../../../infra/messages/group-plan.ts';
import { StepFailure } from '../../../workers/node/step-failure.ts';
import { openFailingRelay } from '../../failing-relay.ts';
import { batchOf, LocalGroup, logitsOfStep, openAllPacks, openWholeSession } from '../../local-group.ts';
import { startRedis } from '../../start-redis.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { SMALL_SIZES } from '../../unit/model/small-model.ts';

const KILLS = 200;
const AT_ONCE = 10;
const SEED = 41;

const SIZES = { ...SMALL_SIZES, layers: 3, experts: 4, topK: 2 };
const redis = await startRedis({ after }, 'exchange');
const home = await mkdtemp(join(tmpdir(), 'cv-kill-'));
const packs = await openAllPacks(await syntheticModel(home, 'model', { sizes: SIZES }), home);

/** A prompt of more rows than all-to-all takes, then decoding. */
const STEPS = [
  batchOf([{ sequence: 0, tokens: Array.from({ length: 20 }, (_, i) => (i * 37) % SIZES.vocab), from: 0 }], 1),
  ...[20, 21, 22].map((from) => batchOf([{ sequence: 0, tokens: [(from * 11) % SIZES.vocab], from }], 1)),
];
const expected: Float32Array[] = [];
const whole = await openWholeSession(packs);
for (const batch of STEPS) expected.push(await stepOn(whole, batch));
await whole.close();
after(async () => {
  packs.close();
  await rm(home, { recursive: true, force: true });
});

type Executor = Pick<LocalGroup['executor'], 'step'>;

function stepOn(executor: Executor, batch: (typeof STEPS)[number]): Promise<Float32Array> {
  return logitsOfStep(executor, batch, SIZES.vocab);
}

/** mulberry32 */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Every expert is on two nodes, or on all of two. */
function placement(nodes: number): number[][] {
  return Array.from({ length: nodes }, (_, node) =>
    [0, 1, 2, 3].filter((expert) => nodes === 2 || expert % nodes === node || (expert + 1) % nodes === node),
  );
}

interface Kill {
  readonly nodes: number;
  readonly topology: Topology;
  readonly victim: number;
  /** Frames of the victim that come through. */
  readonly after: number;
}

/** Runs all steps; when the victim is gone, goes on without it as the group's leader would. Returns how often that was. */
async function survive({ nodes, topology, victim, after: left }: Kill): Promise<number> {
  // Of a machine that does much else, too: a member that lives must not be late.
  const deadlines = { floorMs: 2_000, factor: 8 };
  const experts = placement(nodes);
  const way = await openFailingRelay(redis.url);
  const group = await LocalGroup.open({
    ...{ packs, exchangeUrl: redis.url, experts, topology, deadlines },
    ways: new Map([[victim, way.url]]),
  });
  let dead = false;
  const kill = (): void => {
    dead = true;
    void (victim === 0 ? group.executor.close() : group.nodes[victim]?.stop());
  };
  let living = Array.from({ length: nodes }, (_, index) => index);
  let changes = 0;
  try {
    way.failAfter(left, kill);
    await group.use(living);
    for (let step = 0; step < STEPS.length; ) {
      const batch = STEPS[step];
      if (batch === undefined) break;
      try {
        assert.deepEqual(await stepOn(group.executor, batch), expected[step]);
        step += 1;
      } catch (failure) {
        if (failure instanceof assert.AssertionError) throw failure;
        changes += 1;
        assert.ok(changes < 5, `keeps failing: ${failure}`);
        if (dead && victim === 0) {
          // A new leader knows the tokens, not the KV: it computes all again.
          await group.promote(1);
          step = 0;
        } else {
          assert.ok(failure instanceof StepFailure, String(failure));
          assert.ok(!failure.lost.some((id) => id !== `node-${victim}`), `${failure.message} but ${victim} was killed`);
        }
        living = living.filter((index) => index !== victim);
        await group.use(living);
      }
    }
    return changes;
  } finally {
    await group.close();
    way.close();
  }
}

test(`${KILLS} random kills change no bit`, async () => {
  const below = random(SEED);
  const kills: Kill[] = Array.from({ length: KILLS }, () => {
    const nodes = 2 + below(3);
    const topology = below(2) === 0 ? 'centralized' : 'decentralized';
    return { nodes, topology, victim: below(nodes), after: below(10) };
  });
  let noticed = 0;
  const next = async (): Promise<void> => {
    for (let kill = kills.pop(); kill !== undefined; kill = kills.pop()) {
      const changes = await survive(kill).catch((failure: unknown) => {
        throw new Error(`with ${JSON.stringify(kill)}`, { cause: failure });
      });
      noticed += changes;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  // The others were replaced within their step, or died without being missed.
  assert.ok(noticed > KILLS / 3, `${noticed} kills led to another plan`);
});
