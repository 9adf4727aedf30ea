import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendsFor } from '../../../native/choose-backend.ts';

test('auto prefers the GPU of a Mac with Apple silicon and nothing else', () => {
  assert.deepEqual(backendsFor('auto', 'darwin', 'arm64'), ['metal', 'cpu']);
  assert.deepEqual(backendsFor('auto', 'darwin', 'x64'), ['cpu']);
  assert.deepEqual(backendsFor('auto', 'linux', 'arm64'), ['cpu']);
});

test('a backend asked for by name is the only one', () => {
  assert.deepEqual(backendsFor('metal', 'linux', 'x64'), ['metal']);
  assert.deepEqual(backendsFor('cpu', 'darwin', 'arm64'), ['cpu']);
});
