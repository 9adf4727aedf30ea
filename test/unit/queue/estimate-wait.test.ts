import assert from 'node:assert/strict';
import { test } from 'node:test';
import { estimateWaitMs, parseDispatchRate, retryAfterSeconds } from '../../../infra/queue/estimate-wait.ts';

test('the wait is one dispatch gap per request ahead, and one for the request itself', () => {
  assert.equal(estimateWaitMs(0, { gapMs: 1_500, idleMs: 10 }), 1_500);
  assert.equal(estimateWaitMs(3, { gapMs: 1_500, idleMs: 10 }), 6_000);
});

test('a queue that stopped moving gets slower', () => {
  assert.equal(estimateWaitMs(1, { gapMs: 100, idleMs: 9_000 }), 18_000);
  assert.equal(retryAfterSeconds({ gapMs: 100, idleMs: 9_000 }), 9);
});

test('Retry-After is at least a second and at most five minutes', () => {
  assert.equal(retryAfterSeconds({ gapMs: 2, idleMs: 0 }), 1);
  assert.equal(retryAfterSeconds({ gapMs: 2_001, idleMs: 0 }), 3);
  assert.equal(retryAfterSeconds({ gapMs: 10 ** 9, idleMs: 0 }), 300);
});

test('without a measurement there is no estimate, and Retry-After is five seconds', () => {
  const unmeasured = parseDispatchRate('', '');
  assert.equal(estimateWaitMs(4, unmeasured), null);
  assert.equal(retryAfterSeconds(unmeasured), 5);
  assert.equal(retryAfterSeconds(parseDispatchRate('', '60000')), 5);
});
