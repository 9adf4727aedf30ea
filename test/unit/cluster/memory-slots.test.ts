import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expertSlots, kvBytesPerToken, sharedBytes } from '../../../workers/cluster/memory-slots.ts';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';

/** DBRX Instruct: an expert is 15.854 GB, attention 7.046 GB, embeddings and head 1.233 GB each. */
const DBRX = exampleModel(dbrx);

test('eight experts of DBRX, its shared weights and a context fit 144 GB; one expert less without a gigabyte of it', () => {
  assert.equal(kvBytesPerToken(DBRX), 163_840);
  const kvTokens = 32_768;
  assert.equal(expertSlots(DBRX, { memoryBytes: 144e9, kvTokens, shared: true }), 8);
  const exactly = sharedBytes(DBRX, { kvTokens, shared: true }) + 8 * 3 * 40 * 6144 * 10_752 * 2;
  assert.equal(expertSlots(DBRX, { memoryBytes: exactly, kvTokens, shared: true }), 8);
  assert.equal(expertSlots(DBRX, { memoryBytes: exactly - 1, kvTokens, shared: true }), 7);
});

test('a node without the shared weights has room for experts alone', () => {
  assert.equal(expertSlots(DBRX, { memoryBytes: 16e9, kvTokens: 32_768, shared: false }), 1);
  assert.equal(expertSlots(DBRX, { memoryBytes: 16e9, kvTokens: 32_768, shared: true }), 0);
});

test('no node has room for more experts than there are', () => {
  assert.equal(expertSlots(DBRX, { memoryBytes: 1e15, kvTokens: 64, shared: true }), 16);
});

test('a cache of f16 models holds f32', () => {
  assert.equal(kvBytesPerToken({ ...DBRX, activations: 'f32' }), 2 * kvBytesPerToken(DBRX));
});
