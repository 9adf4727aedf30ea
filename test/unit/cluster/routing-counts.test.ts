import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoutingCounts } from '../../../workers/cluster/routing-counts.ts';

const SHAPE = { layers: 1, experts: 3, topK: 1 };

test('adds what came since the last look', () => {
  const counts = new RoutingCounts(SHAPE, null);
  counts.observe(Float64Array.of(1, 2, 0));
  counts.observe(Float64Array.of(1, 2, 4));
  assert.deepEqual([...counts.counts].map(Math.round), [1, 2, 4]);
});

test('lets old rows fade to half in 50,000 rows, however they are divided into looks', () => {
  const [once, often] = [new RoutingCounts(SHAPE, [1000, 0, 0]), new RoutingCounts(SHAPE, [1000, 0, 0])];
  once.observe(Float64Array.of(0, 50_000, 0));
  for (let look = 1; look <= 50; look += 1) often.observe(Float64Array.of(0, look * 1_000, 0));
  assert.ok(Math.abs((once.counts[0] ?? 0) - 500) < 1e-6);
  assert.ok(Math.abs((often.counts[0] ?? 0) - 500) < 1e-6);
});

test('counts a new session from its beginning', () => {
  const counts = new RoutingCounts(SHAPE, null);
  counts.observe(Float64Array.of(5, 5, 0));
  counts.observe(Float64Array.of(1, 0, 0));
  assert.deepEqual([...counts.counts].map(Math.round), [6, 5, 0]);
});

test('leaves out what another model of the same name left behind', () => {
  assert.deepEqual([...new RoutingCounts(SHAPE, [1, 2]).counts], [0, 0, 0]);
});

test('refuses totals of another shape', () => {
  assert.throws(() => new RoutingCounts(SHAPE, null).observe(Float64Array.of(1)), RangeError);
});
