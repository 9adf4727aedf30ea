import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PromptQueue, type QueueBounds } from '../../../gateway/models/prompt-queue.ts';

const BOUNDS: QueueBounds = { shortBytes: 10, tenantBytes: 300, tenantPrompts: 4, totalBytes: 500, totalPrompts: 7 };

const prompt = (tenant: string, bytes: number) => ({ tenant, bytes });

function queueOf(...prompts: readonly (readonly [tenant: string, bytes: number])[]) {
  const queue = new PromptQueue<{ readonly tenant: string; readonly bytes: number }>(BOUNDS);
  for (const [tenant, bytes] of prompts) queue.add(prompt(tenant, bytes));
  return queue;
}

test('tenants take turns, and within a tenant the first comes first', () => {
  const queue = queueOf(['a', 1], ['a', 2], ['a', 3], ['b', 4], ['c', 5]);
  const taken = Array.from({ length: 5 }, () => queue.takeShort()?.bytes);
  assert.deepEqual(taken, [1, 4, 5, 2, 3]);
  assert.equal(queue.takeShort(), undefined);
});

test('a long prompt is never taken for a short one, and stands first where both are taken', () => {
  const queue = queueOf(['a', 1], ['a', 200]);
  assert.equal(queue.takeAny()?.bytes, 200);
  assert.equal(queue.takeAny()?.bytes, 1);
  queue.add(prompt('a', 200));
  assert.equal(queue.takeShort(), undefined);
});

test('a tenant with too much waiting is refused, and others are not', () => {
  const queue = queueOf(['a', 200]);
  const full = { code: 'queue_full', retryAfterSeconds: 2 };
  assert.throws(() => queue.add(prompt('a', 101)), full);
  queue.add(prompt('b', 101));
  for (let count = 0; count < 3; count += 1) queue.add(prompt('a', 1));
  assert.throws(() => queue.add(prompt('a', 1)), full);
});

test('all are refused when too much waits altogether, until something is taken', () => {
  const queue = queueOf(['a', 250], ['b', 200]);
  assert.throws(() => queue.add(prompt('c', 51)), { code: 'unavailable', retryAfterSeconds: 2 });
  queue.takeAny();
  queue.add(prompt('c', 51));
});

test('one prompt larger than the bounds is taken when nothing else waits', () => {
  const queue = queueOf(['a', 1000]);
  assert.equal(queue.size, 1);
  assert.throws(() => queue.add(prompt('a', 1)), { code: 'queue_full' });
  assert.equal(queue.takeAny()?.bytes, 1000);
  assert.equal(queue.size, 0);
});
