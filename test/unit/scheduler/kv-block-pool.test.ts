import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KvBlockPool } from '../../../workers/scheduler/kv-block-pool.ts';

const BLOCK = 4;

function upTo(length: number, from = 0): number[] {
  return Array.from({ length }, (_, index) => from + index);
}

/** Holds and publishes all full blocks of `tokens`, as a sequence that computed them does. */
function publishAll(pool: KvBlockPool, tenant: string, tokens: readonly number[]): number[] {
  const blocks: number[] = [];
  let parent: number | null = null;
  for (let end = BLOCK; end <= tokens.length; end += BLOCK) {
    const block = pool.allocate();
    assert.ok(block !== null);
    blocks.push(block);
    parent = pool.publish(tenant, parent, tokens, end, block);
  }
  return blocks;
}

function cachedTokens(pool: KvBlockPool, tenant: string, tokens: readonly number[]): number {
  return pool.findPrefix(tenant, tokens).blocks.length * BLOCK;
}

test('finds the longest prefix in whole blocks and leaves a token to compute', () => {
  const pool = new KvBlockPool(10, BLOCK);
  pool.release(publishAll(pool, 'red', upTo(12)));
  assert.equal(cachedTokens(pool, 'red', upTo(13)), 12);
  assert.equal(cachedTokens(pool, 'red', upTo(12)), 8);
  assert.equal(cachedTokens(pool, 'red', [...upTo(6), 99, 7, 8]), 4);
  assert.equal(cachedTokens(pool, 'red', upTo(13, 1)), 0);
  assert.equal(cachedTokens(pool, 'blue', upTo(13)), 0);
});

test('the same block behind another prefix is another block', () => {
  const pool = new KvBlockPool(10, BLOCK);
  pool.release(publishAll(pool, 'red', [...upTo(4), ...upTo(4, 50)]));
  assert.equal(cachedTokens(pool, 'red', [...upTo(4, 10), ...upTo(4, 50), 0]), 0);
});

test('forgets the least recently used prefix first, and of a prefix the end', () => {
  const pool = new KvBlockPool(4, BLOCK);
  const [old, used] = [upTo(8), upTo(8, 100)];
  pool.release(publishAll(pool, 'red', old));
  pool.release(publishAll(pool, 'red', used));
  const { blocks } = pool.findPrefix('red', [...old, 0]);
  pool.hold(blocks);
  pool.release(blocks);
  const cachedAfter = [];
  for (let taken = 0; taken < 4; taken += 1) {
    pool.allocate();
    cachedAfter.push([cachedTokens(pool, 'red', [...used, 0]), cachedTokens(pool, 'red', [...old, 0])]);
  }
  assert.deepEqual(cachedAfter, [
    [4, 8],
    [0, 8],
    [0, 4],
    [0, 0],
  ]);
});

test('never gives away a block that a sequence holds, cached or not', () => {
  const pool = new KvBlockPool(3, BLOCK);
  const held = publishAll(pool, 'red', upTo(8));
  const third = pool.allocate();
  assert.ok(third !== null && !held.includes(third));
  assert.equal(pool.allocate(), null);
  pool.hold(held);
  pool.release(held);
  assert.equal(pool.allocate(), null, 'one of two holders is left');
  pool.release(held);
  assert.equal(pool.available, 2);
  assert.equal(cachedTokens(pool, 'red', upTo(9)), 8);
});

test('a prefix that two computed is cached once, and both blocks come back', () => {
  const pool = new KvBlockPool(4, BLOCK);
  const [first, second] = [publishAll(pool, 'red', upTo(4)), publishAll(pool, 'red', upTo(4))];
  pool.release(second);
  assert.deepEqual(pool.findPrefix('red', upTo(5)).blocks, first);
  pool.release(first);
  assert.equal(pool.available, 4);
});
