import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Suspects } from '../../../workers/cluster/suspects.ts';

test('a node comes back after a sign of life, and later each time it fails', () => {
  const suspects = new Suspects();
  const report = (beats: number) => ({ incarnation: 'x', beats });
  assert.equal(suspects.has(report(7), 0), false);
  suspects.add('x', 1_000);
  assert.equal(suspects.has(report(8), 1_010), true, 'what it said before it failed was seen late');
  assert.equal(suspects.has(report(9), 1_400), true, 'too early');
  assert.equal(suspects.has(report(8), 9_000), true, 'no sign of life since');
  assert.equal(suspects.has(report(9), 1_500), false);
  suspects.add('x', 2_000);
  assert.equal(suspects.has(report(9), 2_010), true);
  assert.equal(suspects.has(report(10), 2_900), true);
  assert.equal(suspects.has(report(10), 3_000), false);
});

test('a process that was started again is another one', () => {
  const suspects = new Suspects();
  suspects.add('x', 0);
  assert.equal(suspects.has({ incarnation: 'y', beats: 1 }, 1), false);
});
