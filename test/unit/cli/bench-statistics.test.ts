import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { median, percentile, spreadOf } from '../../../infra/cli/bench/statistics.ts';
import { decodeRate, timesOf } from '../../../infra/cli/bench/time-generation.ts';

test('the median is the middle value, whatever the order', () => {
  assert.equal(median([30, 10, 20]), 20);
  assert.equal(median([7]), 7);
});

test('the median of an even count lies between the two in the middle', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test('numbers are ordered as numbers, not as text', () => {
  assert.deepEqual(spreadOf([10, 9, 100]), { min: 9, median: 10, max: 100 });
});

test('a percentile is interpolated between its neighbours', () => {
  assert.equal(percentile([0, 10, 20, 30, 40], 0.95), 38);
  assert.equal(percentile([5, 1], 0), 1);
  assert.equal(percentile([5, 1], 1), 5);
});

test('nothing can be said of no values', () => {
  assert.throws(() => median([]), new RangeError('There are no values to summarise.'));
});

test('percentiles rise with their fraction and stay within the values', () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 });
  const fraction = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(values, fraction, fraction, (sample, one, other) => {
      const lower = percentile(sample, Math.min(one, other));
      const upper = percentile(sample, Math.max(one, other));
      assert.ok(lower <= upper + 1e-6 && lower >= Math.min(...sample) - 1e-6 && upper <= Math.max(...sample) + 1e-6);
    }),
  );
});

test('pieces without text are not arrivals, but the end of an answer is', () => {
  const times = timesOf(
    [
      { atMs: 10, text: '', last: false },
      { atMs: 20, text: 'a', last: false },
      { atMs: 25, text: '', last: false },
      { atMs: 32, text: 'b', last: false },
      { atMs: 40, text: '', last: true },
    ],
    5,
  );
  assert.deepEqual(times, { firstMs: 20, lastMs: 40, tokens: 5, text: 'ab', gapsMs: [12, 8] });
});

test('pieces that came together are one arrival', () => {
  const pieces = [5, 20, 20, 20, 50].map((atMs) => ({ atMs, text: 'a', last: false }));
  assert.deepEqual(timesOf(pieces, 5).gapsMs, [15, 30]);
});

test('the decode rate leaves the first token out', () => {
  assert.equal(decodeRate({ firstMs: 500, lastMs: 1500, tokens: 21, text: '', gapsMs: [] }), 20);
});
