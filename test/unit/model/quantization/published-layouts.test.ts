// The forms in which Hugging Face's checkpoints keep quantised matrices, against what others read in them (test/golden/quantized).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dequantizeRows } from '../../../../workers/model/quantization/dequantize-rows.ts';
import { locateTensor } from '../../../../workers/model/quantization/locate-tensor.ts';
import { readQuantization } from '../../../../workers/model/quantization/quantization-config.ts';
import { REPOSITORY_ROOT } from '../../../repository-root.ts';
import { indexOfBytes, rowsOf, tensorBytes } from './tensors-in-memory.ts';

interface StoredJson {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: string;
}

interface Layouts {
  readonly name: string;
  readonly shape: readonly [number, number];
  readonly cases: readonly {
    readonly name: string;
    readonly quantization: unknown;
    readonly tensors: Readonly<Record<string, StoredJson>>;
    readonly values: string;
  }[];
}

const path = join(REPOSITORY_ROOT, 'test', 'golden', 'quantized', 'layouts.json');
const { name, shape, cases } = JSON.parse(readFileSync(path, 'utf8')) as Layouts;

for (const { name: what, quantization, tensors, values } of cases) {
  test(`${what} has the values that others read in it`, () => {
    const decoded = Object.entries(tensors).map(([key, { dtype, shape: dims, data }]) => {
      return { name: key, dtype, shape: dims, data: bytesOf(data) };
    });
    const scheme = readQuantization({
      path: 'config.json',
      quantization: { mlx: undefined, huggingFace: quantization },
    });
    const stored = locateTensor(scheme, indexOfBytes(decoded), { name, shape });
    assert.ok(stored?.kind === 'packed');
    const actual = dequantizeRows(rowsOf(stored, { first: 0, step: 1, count: shape[0] }, tensorBytes(decoded)));
    const expected = new Float32Array(bytesOf(values).buffer);
    // One rounding more or less where a factor multiplies scales, or a bias stands for a zero.
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [index, value] of expected.entries()) {
      const distance = Math.abs((actual[index] ?? Number.NaN) - value);
      assert.ok(distance <= largest * 2 ** -22, `${index}: ${actual[index]} instead of ${value}`);
    }
  });
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(text, 'base64'));
}
