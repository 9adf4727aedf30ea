import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawRoutings, everyRouting, expectedLargestLoad } from '../../../workers/cluster/expected-load.ts';

const UNIFORM = { experts: 8, topK: 3, rows: 2, draws: 500, seed: 3, counts: null };

test('enumerates every choice once', () => {
  const { experts, slots } = everyRouting(5, 3);
  const choices = Array.from({ length: experts.length / slots }, (_, draw) =>
    [...experts.subarray(draw * slots, (draw + 1) * slots)].join(),
  );
  assert.equal(choices.length, 10);
  assert.equal(new Set(choices).size, 10);
  assert.equal(choices[0], '0,1,2');
  assert.equal(choices.at(-1), '2,3,4');
  assert.deepEqual([...everyRouting(3, 3).experts], [0, 1, 2]);
});

test('draws the same routings for the same seed, and others for another', () => {
  assert.deepEqual(drawRoutings(UNIFORM), drawRoutings(UNIFORM));
  assert.notDeepEqual(drawRoutings({ ...UNIFORM, seed: 4 }), drawRoutings(UNIFORM));
});

test('a row takes different experts', () => {
  const { experts } = drawRoutings(UNIFORM);
  for (let row = 0; row < experts.length; row += 3) assert.equal(new Set(experts.subarray(row, row + 3)).size, 3);
});

test('draws each layer by its own counts, in turn', () => {
  const counts = Float64Array.of(1e6, 0, 0, 0, 0, 0, 0, 3e6);
  const { experts } = drawRoutings({ experts: 4, topK: 1, rows: 1, draws: 400, seed: 1, counts });
  for (const [draw, expert] of experts.entries()) assert.equal(expert, draw % 2 === 0 ? 0 : 3);
});

test('chooses in proportion to the counts', () => {
  const counts = Float64Array.of(3000, 1000, 0, 0);
  const { experts } = drawRoutings({ experts: 4, topK: 1, rows: 1, draws: 8_000, seed: 1, counts });
  const share = experts.filter((expert) => expert === 0).length / experts.length;
  assert.ok(Math.abs(share - 0.75) < 0.02, `${share}`);
});

test('an expert that several rows give to one member counts once, and a quick member carries more', () => {
  const routings = { experts: Int32Array.of(0, 0, 1, 1), slots: 4, layers: 1 };
  const toMember = (of: readonly number[]) => ({
    assign: (_layer: number, _: Int32Array, nodes: Int32Array) => nodes.set(of),
  });
  assert.equal(expectedLargestLoad(toMember([0, 0, 0, 0]), routings, 2), 2);
  assert.equal(expectedLargestLoad(toMember([0, 0, 1, 1]), routings, 2), 1);
  assert.equal(expectedLargestLoad(toMember([0, 0, 0, 0]), routings, 2, [4, 1]), 0.5);
});
