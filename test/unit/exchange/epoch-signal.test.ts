import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EpochSignal, Superseded } from '../../../workers/exchange/epoch-signal.ts';

test('a newer epoch ends what runs in the one before, and nothing of its own', () => {
  const epochs = new EpochSignal();
  const before = epochs.signal;
  epochs.begin();
  assert.ok(before.aborted && before.reason instanceof Superseded);
  assert.ok(!epochs.signal.aborted);
});

test('an epoch that was interrupted stays so for its first reason, until the next begins', () => {
  const epochs = new EpochSignal();
  epochs.interrupt('first');
  epochs.interrupt('second');
  assert.equal(epochs.signal.reason, 'first');
  epochs.begin();
  assert.ok(!epochs.signal.aborted);
});
