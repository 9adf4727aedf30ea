// Our arithmetic of MLX's formats against MLX itself (test/golden/quantized).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantizeRows } from '../../../../native/quantize-rows.ts';
import { packedLayout } from '../../../../native/weight-format.ts';
import { narrowFloats } from '../../../../workers/model/narrow-floats.ts';
import { dequantizeRows } from '../../../../workers/model/quantization/dequantize-rows.ts';
import { type MlxVector, readMlxVectors } from '../../../golden/quantized/mlx-vectors.ts';

const { rows, inputs, source, vectors } = readMlxVectors();

/** What MLX quantised: the source in the type of the scales. */
function quantised({ format }: MlxVector) {
  const { scales } = packedLayout(format);
  const dtype = scales === 'e8m0' || scales === 'e4m3' ? 'f32' : scales;
  return quantizeRows(new Uint8Array(narrowFloats(source, dtype).buffer), dtype, inputs, format);
}

for (const vector of vectors) {
  const { name, format, codes, scales, biases, values, globalScale } = vector;

  test(`${name}: dequantises to the bits of MLX`, () => {
    const factor = globalScale === null ? 1 : Math.fround(globalScale / 2688);
    assert.deepEqual(dequantizeRows({ format, rows, inputs, codes, scales, biases, factor }), values);
  });

  if (globalScale === null) {
    test(`${name}: quantises to the bits of MLX`, () => {
      const packed = quantised(vector);
      assert.deepEqual(packed.scales, scales);
      assert.deepEqual(packed.biases, biases);
      assert.deepEqual(packed.codes, codes);
    });
  }
}

test('a weight that is not finite is refused with its place, and a width of no groups', () => {
  const weights = new Float32Array(128);
  weights[70] = Number.NaN;
  const bytes = new Uint8Array(weights.buffer);
  assert.throws(() => quantizeRows(bytes, 'f32', 64, 'affine4-g32-f32'), {
    code: 'invalid_argument',
    message: 'a weight of output 1 from input 0 on is not finite',
  });
  assert.throws(() => quantizeRows(bytes, 'f32', 32, 'affine4-g64-f32'), { message: /multiple of the group/ });
});
