// Our arithmetic of MLX's formats against MLX itself (test/golden/quantized).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packedLayout } from '../../../../native/weight-format.ts';
import { narrowFloats } from '../../../../workers/model/narrow-floats.ts';
import { dequantizeRows } from '../../../../workers/model/quantization/dequantize-rows.ts';
import { quantizeRows } from '../../../../workers/model/quantization/quantize-rows.ts';
import { widenFloats } from '../../../../workers/pack/widen-floats.ts';
import { type MlxVector, readMlxVectors } from '../../../golden/quantized/mlx-vectors.ts';

const { rows, inputs, source, vectors } = readMlxVectors();

/** What MLX quantised: the source in the type of the scales. */
function castSource({ format }: MlxVector): Float32Array {
  const { scales } = packedLayout(format);
  if (scales === 'e8m0' || scales === 'e4m3') return source;
  return widenFloats(new Uint8Array(narrowFloats(source, scales).buffer), scales);
}

for (const vector of vectors) {
  const { name, format, codes, scales, biases, values, globalScale } = vector;

  test(`${name}: dequantises to the bits of MLX`, () => {
    const factor = globalScale === null ? 1 : Math.fround(globalScale / 2688);
    assert.deepEqual(dequantizeRows({ format, rows, inputs, codes, scales, biases, factor }), values);
  });

  if (globalScale === null) {
    test(`${name}: quantises to the bits of MLX`, () => {
      const packed = quantizeRows(castSource(vector), inputs, format);
      assert.deepEqual(packed.scales, scales);
      assert.deepEqual(packed.biases, biases);
      assert.deepEqual(packed.codes, codes);
    });
  }
}
