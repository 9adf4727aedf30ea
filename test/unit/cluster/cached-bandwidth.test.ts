import assert from 'node:assert/strict';
import { test } from 'node:test';
import { relativeSpeed } from '../../../workers/cluster/cached-bandwidth.ts';

test('nodes are as fast as the leader unless they clearly are not, or nothing is known', () => {
  assert.equal(relativeSpeed(9e9, 10e9), 1);
  assert.equal(relativeSpeed(13e9, 10e9), 1);
  assert.equal(relativeSpeed(20e9, 10e9), 2);
  assert.equal(relativeSpeed(100e9, 800e9), 1 / 8);
  assert.equal(relativeSpeed(0, 10e9), 1);
  assert.equal(relativeSpeed(10e9, 0), 1);
});
