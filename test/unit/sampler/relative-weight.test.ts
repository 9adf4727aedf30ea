import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MIN_LOG_WEIGHT, relativeWeight } from '../../../workers/sampler/relative-weight.ts';

test('is e^x within 3e-14 of its size', () => {
  fc.assert(
    fc.property(fc.double({ min: MIN_LOG_WEIGHT, max: 0, noNaN: true }), (x) => {
      assert.ok(Math.abs(relativeWeight(x) / Math.exp(x) - 1) < 3e-14);
    }),
    { seed: 41, numRuns: 5000 },
  );
});

test('is exactly 1 for the most likely token', () => {
  assert.equal(relativeWeight(0), 1);
});

test('grows with x, across the steps of its table', () => {
  for (let x = MIN_LOG_WEIGHT; x < -1e-3; x += 1 / 1024) assert.ok(relativeWeight(x) < relativeWeight(x + 1e-9));
});

test('is 0 for what can never be drawn', () => {
  for (const x of [MIN_LOG_WEIGHT - 1e-9, -1e300, Number.NEGATIVE_INFINITY]) assert.equal(relativeWeight(x), 0);
});
