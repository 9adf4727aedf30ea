import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ggufBlock, unpackRows } from '../../../workers/gguf/gguf-blocks.ts';
import { dequantizeRows } from '../../../workers/model/quantization/dequantize-rows.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

interface Case {
  readonly name: string;
  readonly type: number;
  readonly blocks: string;
  readonly values: string;
}

const path = join(REPOSITORY_ROOT, 'test', 'golden', 'quantized', 'gguf-blocks.json');
const cases = JSON.parse(readFileSync(path, 'utf8')) as readonly Case[];

for (const { name, type, blocks, values } of cases) {
  test(`${name} loses nothing`, () => {
    const block = ggufBlock(type);
    assert.ok(block?.name === name);
    const bytes = Uint8Array.from(Buffer.from(blocks, 'base64'));
    const actual = dequantizeRows(unpackRows(block, bytes, block.weights));
    const expected = new Float32Array(Uint8Array.from(Buffer.from(values, 'base64')).buffer);
    assert.equal(actual.length, expected.length);
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [index, value] of expected.entries()) {
      // Sums are rounded in another order.
      assert.ok(
        Math.abs((actual[index] ?? Number.NaN) - value) <= largest * 2 ** -22,
        `${index}: ${actual[index]}, ${value}`,
      );
    }
  });
}

test('types that are not read have no blocks', () => {
  for (const type of [9, 16, 23, 34, 99]) assert.equal(ggufBlock(type), null);
});
