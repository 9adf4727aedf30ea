import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dbrx } from '../../../workers/model/dbrx.ts';
import { placeSections } from '../../../workers/pack/place-sections.ts';
import { SMALL_OUTLINE } from '../model/small-outline.ts';

test('sections stand in the order of execution, aligned and apart', () => {
  const { sections, dataBytes } = placeSections(dbrx.sharedSections(SMALL_OUTLINE), 'bf16');
  const layer = ['norm1', 'wqkv', 'wo', 'norm2', 'router'];
  assert.deepEqual(
    sections.map(({ role }) => role),
    ['embedding', ...layer, ...layer, 'finalNorm', 'lmHead'],
  );
  let end = 0;
  for (const { offset, bytes } of sections) {
    assert.ok(offset >= end && offset % 16_384 === 0);
    end = offset + bytes;
  }
  assert.ok(dataBytes >= end && dataBytes % 16_384 === 0);
});

test('panels round outputs up to 32 and inputs to a pair; rows are not padded; norms are padded f32', () => {
  const bytesOf = (role: string, dtype: 'bf16' | 'f32'): number | undefined =>
    [...dbrx.sharedSections(SMALL_OUTLINE), ...dbrx.expertSections(SMALL_OUTLINE, 0)]
      .map((section) => placeSections([section], dtype).sections[0])
      .find((section) => section?.role === role)?.bytes;
  assert.equal(bytesOf('embedding', 'bf16'), 301 * 60 * 2);
  assert.equal(bytesOf('norm1', 'bf16'), 64 * 4);
  assert.equal(bytesOf('wqkv', 'bf16'), 128 * 60 * 2);
  assert.equal(bytesOf('router', 'f32'), 32 * 60 * 4);
  assert.equal(bytesOf('gateUp', 'bf16'), 2 * 64 * 60 * 2);
  assert.equal(bytesOf('down', 'bf16'), 64 * 38 * 2);
});

test('a DBRX expert takes as many bytes as its weights', () => {
  const { sections } = placeSections(dbrx.expertSections(dbrx.example, 15), 'bf16');
  assert.equal(
    sections.reduce((sum, { bytes }) => sum + bytes, 0),
    15_854_469_120,
  );
});
