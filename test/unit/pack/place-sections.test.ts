import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dbrx } from '../../../workers/model/families/dbrx.ts';
import { exampleModel } from '../../../workers/model/size-config.ts';
import { uniformModel } from '../../../workers/model/stored-model.ts';
import { sharedSections } from '../../../workers/pack/pack-sections.ts';
import { placeSections } from '../../../workers/pack/place-sections.ts';
import { slotBytesOf, slotLayout } from '../../../workers/pack/slot-layout.ts';
import { SMALL_MODEL, SMALL_OUTLINE } from '../model/small-model.ts';

test('sections stand in the order of execution, aligned and apart', () => {
  const { sections, dataBytes } = placeSections(sharedSections(SMALL_MODEL));
  const layer = ['attentionNorm', 'query', 'key', 'value', 'attentionOutput', 'mlpNorm', 'router'];
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
  const bytesOf = (role: string, format: 'bf16' | 'f32'): number | undefined => {
    const model = uniformModel(SMALL_OUTLINE, format);
    const sections = [...placeSections(sharedSections(model)).sections, ...slotLayout(model, 0).sections];
    return sections.find((section) => section.role === role)?.bytes;
  };
  assert.equal(bytesOf('embedding', 'bf16'), 301 * 60 * 2);
  assert.equal(bytesOf('attentionNorm', 'bf16'), 64 * 4);
  assert.equal(bytesOf('query', 'bf16'), 64 * 60 * 2);
  assert.equal(bytesOf('key', 'bf16'), 32 * 60 * 2);
  assert.equal(bytesOf('router', 'f32'), 32 * 60 * 4);
  assert.equal(bytesOf('gateUp', 'bf16'), 2 * 64 * 60 * 2);
  assert.equal(bytesOf('down', 'bf16'), 64 * 38 * 2);
});

test('an expert of a layer of DBRX takes as many bytes as its weights, and so does its slot', () => {
  const model = exampleModel(dbrx);
  const { sections, dataBytes } = slotLayout(model, 3 * 16 + 15);
  assert.deepEqual(
    sections.map(({ layer, expert }) => [layer, expert]),
    [
      [3, 15],
      [3, 15],
    ],
  );
  assert.equal(
    sections.reduce((sum, { bytes }) => sum + bytes, 0),
    15_854_469_120 / 40,
  );
  assert.equal(slotBytesOf(model, 3), dataBytes);
});
