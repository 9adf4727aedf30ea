import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expertSlots, kvBytesPerToken, type NodeMemory, sharedBytes } from '../../../workers/cluster/memory-slots.ts';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';

/** DBRX Instruct: an expert is 15.854 GB, attention 7.046 GB, embeddings and head 1.233 GB each. */
const DBRX = exampleModel(dbrx);

/** In the layer that has the fewest. */
function slots(memory: Omit<NodeMemory, 'maxExperts'>): number {
  return Math.min(...(expertSlots(DBRX, [{ ...memory, maxExperts: null }])[0] ?? []));
}

test('eight experts of DBRX, its shared weights and a context fit 144 GB; one expert less without a gigabyte of it', () => {
  assert.equal(kvBytesPerToken(DBRX), 163_840);
  const kvTokens = 32_768;
  assert.equal(slots({ memoryBytes: 144e9, kvTokens, shared: true }), 8);
  const exactly = sharedBytes(DBRX, { kvTokens, shared: true }) + 8 * 3 * 40 * 6144 * 10_752 * 2;
  assert.equal(slots({ memoryBytes: exactly, kvTokens, shared: true }), 8);
  assert.equal(slots({ memoryBytes: exactly - 1, kvTokens, shared: true }), 7);
});

test('a node without the shared weights has room for experts alone', () => {
  assert.equal(slots({ memoryBytes: 16e9, kvTokens: 32_768, shared: false }), 1);
  assert.equal(slots({ memoryBytes: 16e9, kvTokens: 32_768, shared: true }), 0);
});

test('no node has room for more experts than there are', () => {
  assert.equal(slots({ memoryBytes: 1e15, kvTokens: 64, shared: true }), 16);
});

test('a cache of f16 models holds f32', () => {
  assert.equal(kvBytesPerToken({ ...DBRX, activations: 'f32' }), 2 * kvBytesPerToken(DBRX));
});

test('memory for a part of the layers holds one more expert there, where other nodes have fewer', () => {
  const memoryBytes = 8 * layerBytes * 40 + 25 * layerBytes;
  const node = { memoryBytes, kvTokens: 64, shared: false, maxExperts: null };
  const [first = [], second = [], capped = []] = expertSlots(DBRX, [node, node, { ...node, maxExperts: 3 }]);
  assert.deepEqual([count(first, 9), count(first, 8)], [25, 15]);
  assert.deepEqual([count(second, 9), count(second, 8)], [25, 15]);
  const totals = first.map((slots, layer) => slots + (second[layer] ?? 0));
  assert.deepEqual([Math.min(...totals), Math.max(...totals)], [17, 18]);
  assert.deepEqual(new Set(capped), new Set([3]));
});

const layerBytes = 3 * 6144 * 10_752 * 2;

function count(values: readonly number[], wanted: number): number {
  return values.filter((value) => value === wanted).length;
}
