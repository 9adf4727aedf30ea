import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawRoutings, expectedLargestLoad, type Routings } from '../../../workers/cluster/expected-load.ts';
import { holdersOf } from '../../../workers/cluster/place-experts.ts';
import { expertsByLayer, placeLayers } from '../../../workers/cluster/place-layers.ts';
import { ExpertAssigner } from '../../../workers/node/assign-experts.ts';

const EXPERTS = 128;
const NODES = 4;

/** Nodes with as many slots in each of `layers`. */
function alike(slots: number, layers: number) {
  return Array.from({ length: NODES }, () => ({ slots: new Array<number>(layers).fill(slots), speed: 1 }));
}

test('a hot expert has replicas in its layer alone', () => {
  const counts = new Float64Array(3 * 16).fill(10);
  counts[16 + 5] = 500;
  const placed = placeLayers({ layers: 3, experts: 16, members: alike(5, 3), counts });
  const holders = holdersOf(placed, 3 * 16);
  assert.deepEqual([holders[5]?.length, holders[16 + 5]?.length, holders[32 + 5]?.length], [1, 4, 1]);
});

test('members keep what they hold, and every layer has a holder of every expert', () => {
  const before = placeLayers({ layers: 2, experts: 16, members: alike(4, 2), counts: null });
  const members = alike(5, 2).map((member, at) => ({ ...member, held: before[at] ?? [] }));
  const after = placeLayers({ layers: 2, experts: 16, members, counts: null });
  for (const [at, ids] of before.entries()) assert.ok(ids.every((id) => after[at]?.includes(id)));
  for (const own of after) {
    assert.deepEqual(
      expertsByLayer(own, 2, 16).map(({ length }) => length),
      [5, 5],
    );
  }
});

test('says what is missing in the layer with the fewest slots', () => {
  const members = [{ slots: [4, 3], speed: 1 }];
  assert.throws(() => placeLayers({ layers: 2, experts: 4, members, counts: null }), { message: /room for 3 experts/ });
});

/** Rows that experts were given whose popularity is 1 / rank, in another order in every layer. */
function zipfCounts(layers: number): Float64Array {
  return Float64Array.from({ length: layers * EXPERTS }, (_, id) => {
    const rank = (((id % EXPERTS) * 37 + Math.floor(id / EXPERTS) * 11) % EXPERTS) + 1;
    return Math.round(1e6 / rank);
  });
}

/** How much more than an even share the busiest node computes. */
function imbalance(slots: number, counts: Float64Array | null, rows: number, draws: number): number {
  const layers = counts === null ? 1 : counts.length / EXPERTS;
  const placed = placeLayers({ layers, experts: EXPERTS, members: alike(slots, layers), counts });
  const assigner = new ExpertAssigner({ holders: holdersOf(placed, layers * EXPERTS), members: NODES, layers });
  const routings = drawRoutings({ experts: EXPERTS, topK: 8, rows, draws, seed: 3, counts });
  return expectedLargestLoad(assigner, routings, NODES) / (meanDistinct(routings) / NODES);
}

/** Different experts that a routing selects, on average. */
function meanDistinct({ experts, slots }: Routings): number {
  const draws = experts.length / slots;
  const counts = Array.from(
    { length: draws },
    (_, draw) => new Set(experts.subarray(draw * slots, (draw + 1) * slots)),
  );
  return counts.reduce((sum, { size }) => sum + size, 0) / draws;
}

test('128 experts, top-8, 4 nodes, a quarter of the slots spare, popularity 1/rank: 1.12 for a token, 1.05 for 16', () => {
  const counts = zipfCounts(2);
  const [one, batch] = [imbalance(40, counts, 1, 3_000), imbalance(40, counts, 16, 300)];
  assert.ok(one <= 1.12 && batch <= 1.05, `${one} and ${batch}`);
});

test('even routing with half of the slots spare: 1.30 for a token, 1.03 for 16', () => {
  const [one, batch] = [imbalance(48, null, 1, 3_000), imbalance(48, null, 16, 300)];
  // No placement of that many replicas does better than 1.29 (docs/decisions/0150).
  assert.ok(one <= 1.31 && batch <= 1.03, `${one} and ${batch}`);
});
