import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planDrafts } from '../../../workers/scheduler/plan-drafts.ts';
import { distinctExperts, type StepCost, stepMs } from '../../../workers/scheduler/step-cost.ts';

/** Reading experts decides, as for model D. */
const MIXTURE: StepCost = {
  shape: { fixed: 208, perExpert: 248, experts: 16, topK: 4, perRow: 20 },
  rows: [],
  msPerUnit: [],
};
/** A row costs nothing beside the step. */
const FREE: StepCost = { shape: { fixed: 1, perExpert: 0, experts: 1, topK: 1, perRow: 0 }, rows: [], msPerUnit: [] };
/** Every row costs the same. */
const LINEAR: StepCost = { ...FREE, shape: { ...FREE.shape, fixed: 0, perRow: 1 } };

test('counts the experts that rows choose together', () => {
  const dbrx = { experts: 16, topK: 4 };
  const counts = [1, 2, 4, 8, 32].map((rows) => Number(distinctExperts(dbrx, rows).toFixed(1)));
  assert.deepEqual(counts, [4, 7, 10.9, 14.4, 16]);
});

test('verifies nothing where every row costs as much as a step of its own', () => {
  assert.deepEqual(planDrafts([{ chance: 0.99, most: 16 }], 1, 100, LINEAR), [0]);
});

test('verifies as much as is likely where rows are free', () => {
  assert.deepEqual(planDrafts([{ chance: 1, most: 16 }], 1, 100, FREE), [16]);
  assert.deepEqual(planDrafts([{ chance: 0.5, most: 16 }], 1, 100, FREE), [4]);
});

test('a mixture of experts pays for long drafts that are likely, and for no others', () => {
  assert.deepEqual(planDrafts([{ chance: 0.5, most: 16 }], 1, 100, MIXTURE), [0]);
  assert.ok((planDrafts([{ chance: 0.97, most: 16 }], 1, 100, MIXTURE)[0] ?? 0) > 8);
});

test('gives rows to those whose guesses are likely', () => {
  const [sure = 0, unsure = 0, none = 0] = planDrafts(
    [
      { chance: 0.98, most: 16 },
      { chance: 0.6, most: 16 },
      { chance: 0, most: 16 },
    ],
    3,
    100,
    MIXTURE,
  );
  assert.ok(sure > unsure && none === 0, `${sure} ${unsure} ${none}`);
});

test('promises more tokens for the time than a step without guesses, within what is allowed', () => {
  const guess = fc.record({
    chance: fc.double({ min: 0, max: 1, noNaN: true }),
    most: fc.integer({ min: 0, max: 16 }),
  });
  const property = fc.property(
    fc.array(guess, { minLength: 1, maxLength: 8 }),
    fc.integer({ min: 0, max: 40 }),
    fc.constantFrom(MIXTURE, FREE, LINEAR),
    (guesses, room, cost) => {
      const counts = planDrafts(guesses, guesses.length, room, cost);
      const total = counts.reduce((sum, count) => sum + count, 0);
      assert.ok(total <= room && counts.every((count, index) => count >= 0 && count <= (guesses[index]?.most ?? 0)));
      const gain = guesses.reduce((sum, { chance }, index) => {
        return (
          sum + Array.from({ length: counts[index] ?? 0 }, (_, at) => chance ** (at + 1)).reduce((a, b) => a + b, 0)
        );
      }, 0);
      const rate = (guesses.length + gain) / stepMs(cost, guesses.length + total);
      assert.ok(total === 0 || rate > guesses.length / stepMs(cost, guesses.length));
    },
  );
  fc.assert(property, { numRuns: 300, seed: 2 });
});
