import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sizeChunk } from '../../../workers/scheduler/size-chunk.ts';
import { type CostShape, type StepCost, stepMs } from '../../../workers/scheduler/step-cost.ts';
import { StepCosts } from '../../../workers/scheduler/step-costs.ts';

const shape: fc.Arbitrary<CostShape> = fc
  .record({
    fixed: fc.double({ min: 0.1, max: 100, noNaN: true }),
    perExpert: fc.double({ min: 0, max: 100, noNaN: true }),
    experts: fc.integer({ min: 1, max: 128 }),
    topK: fc.integer({ min: 1, max: 8 }),
    perRow: fc.double({ min: 0, max: 10, noNaN: true }),
  })
  .map((parts) => ({ ...parts, topK: Math.min(parts.topK, parts.experts) }));

function unmeasured(of: CostShape): StepCost {
  return { shape: of, rows: [], msPerUnit: [] };
}

test('a chunk has a row, fits into the step, and keeps the pause unless it is one row', () => {
  const property = fc.property(
    shape,
    fc.integer({ min: 1, max: 64 }),
    fc.integer({ min: 1, max: 512 }),
    fc.double({ min: 1.1, max: 4, noNaN: true }),
    fc.double({ min: 1, max: 10, noNaN: true }),
    (of, answers, room, interTokenTarget, more) => {
      const limits = { interTokenTarget, longestPause: interTokenTarget * more };
      const rows = sizeChunk(unmeasured(of), answers, room, limits);
      assert.ok(Number.isInteger(rows) && rows >= 1 && rows <= room);
      const slowdown = (count: number) => stepMs(unmeasured(of), answers + count) / stepMs(unmeasured(of), answers);
      assert.ok(rows === 1 || slowdown(rows) <= limits.longestPause);
      const smooth = rows < room && slowdown(rows + 1) <= interTokenTarget;
      assert.ok(!smooth, 'a row more would have been within the target');
    },
  );
  fc.assert(property, { numRuns: 500, seed: 3 });
});

test('beside one answer of a mixture of experts one long step is better than many short ones', () => {
  const cost = unmeasured({ fixed: 200, perExpert: 250, experts: 16, topK: 4, perRow: 15 });
  assert.equal(sizeChunk(cost, 1, 511, { interTokenTarget: 2, longestPause: 2 }), 1);
  assert.ok(sizeChunk(cost, 1, 511, { interTokenTarget: 2, longestPause: 8 }) > 200);
});

test('what was measured replaces the shape, and one slow step does not', () => {
  const costs = new StepCosts({ fixed: 10, perExpert: 0, experts: 1, topK: 1, perRow: 1 });
  for (const ms of [20, 20, 900]) costs.observe(10, ms);
  for (const ms of [200, 200, 200]) costs.observe(90, ms);
  const cost = costs.estimate();
  assert.equal(stepMs(cost, 10), 20);
  assert.ok(Math.abs(stepMs(cost, 90) - 200) < 5);
  assert.ok(stepMs(cost, 40) > 20 && stepMs(cost, 40) < 200);
  assert.ok(stepMs(cost, 5) < 20 && stepMs(cost, 200) > 200);
});

test('a first bad impression is forgotten soon, one that was confirmed later', () => {
  const flat = { fixed: 1, perExpert: 0, experts: 1, topK: 1, perRow: 0 };
  for (const [times, life] of [
    [1, 32],
    [3, 512],
  ] as const) {
    const costs = new StepCosts(flat, 32);
    for (let time = 0; time < times; time += 1) costs.observe(8, 1000);
    for (let step = 0; step < life; step += 1) costs.observe(1, 1);
    assert.equal(stepMs(costs.estimate(), 8), 1000);
    costs.observe(1, 1);
    assert.equal(stepMs(costs.estimate(), 8), 1);
  }
});
