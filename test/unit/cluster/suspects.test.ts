import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Suspects } from '../../../workers/cluster/suspects.ts';

test('a node comes back after a sign of life, and later each time it fails', () => {
  const suspects = new Suspects();
  const node = { incarnation: 'x', beats: 7 };
  assert.equal(suspects.has(node, 0), false);
  suspects.add(node, 1_000);
  assert.equal(suspects.has({ ...node, beats: 8 }, 1_400), true, 'too early');
  assert.equal(suspects.has(node, 9_000), true, 'no sign of life since');
  assert.equal(suspects.has({ ...node, beats: 8 }, 1_500), false);
  suspects.add({ ...node, beats: 8 }, 2_000);
  assert.equal(suspects.has({ ...node, beats: 9 }, 2_900), true);
  assert.equal(suspects.has({ ...node, beats: 9 }, 3_000), false);
});

test('a process that was started again is another one', () => {
  const suspects = new Suspects();
  suspects.add({ incarnation: 'x', beats: 7 }, 0);
  assert.equal(suspects.has({ incarnation: 'y', beats: 1 }, 1), false);
});
