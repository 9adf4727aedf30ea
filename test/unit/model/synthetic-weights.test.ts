import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PlainFormat } from '../../../native/weight-format.ts';
import { narrowFloats } from '../../../workers/model/narrow-floats.ts';
import { syntheticWeights } from '../../../workers/model/synthetic-weights.ts';
import { widenFloats } from '../../../workers/pack/widen-floats.ts';

const SEED = 20_508;
const DTYPES: readonly PlainFormat[] = ['f32', 'f16', 'bf16'];

function weights(seed: number, tensor: string, count: number, dtype: PlainFormat, chunk = 1000): Float32Array {
  const chunks = [...syntheticWeights(seed, tensor, count, { mean: 1, deviation: 0.5 }, dtype, chunk)];
  return widenFloats(Buffer.concat(chunks), dtype);
}

for (const dtype of DTYPES) {
  test(`${dtype} weights have the mean and deviation asked for`, () => {
    const values = weights(SEED, 'a', 100_001, dtype);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    assert.equal(values.length, 100_001);
    assert.ok(Math.abs(mean - 1) < 0.01, `mean ${mean}`);
    assert.ok(Math.abs(Math.sqrt(variance) - 0.5) < 0.01, `deviation ${Math.sqrt(variance)}`);
  });
}

test('the same seed and name give the same weights, however they are cut; others do not', () => {
  const first = weights(7, 'a', 5000, 'bf16');
  assert.deepEqual(weights(7, 'a', 5000, 'bf16', 246), first);
  assert.notDeepEqual(weights(8, 'a', 5000, 'bf16'), first);
  assert.notDeepEqual(weights(7, 'b', 5000, 'bf16'), first);
});

test('narrowing then widening gives the nearest value of the dtype, and a second time the same bits', () => {
  const property = fc.property(fc.float({ min: -60_000, max: 60_000, noNaN: true }), (value) => {
    for (const dtype of DTYPES) {
      const bits = narrowFloats(Float32Array.of(value), dtype);
      const widened = widenFloats(new Uint8Array(bits.buffer), dtype);
      const relative = { f32: 0, f16: 2 ** -11, bf16: 2 ** -8 }[dtype];
      // Half the step between the smallest values.
      const smallest = { f32: 0, f16: 2 ** -25, bf16: 2 ** -134 }[dtype];
      const error = Math.abs((widened[0] ?? Number.NaN) - value);
      assert.ok(error <= Math.max(Math.abs(value) * relative, smallest), `${dtype} ${value} -> ${widened[0]}`);
      assert.deepEqual(narrowFloats(Float32Array.from(widened), dtype), bits);
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 2000 });
});

test('ties round to the even neighbour', () => {
  const narrow = (value: number, dtype: PlainFormat): number | undefined =>
    narrowFloats(Float32Array.of(value), dtype)[0];
  assert.equal(narrow(1 + 2 ** -8, 'bf16'), 0x3f80);
  assert.equal(narrow(1 + 3 * 2 ** -8, 'bf16'), 0x3f82);
  assert.equal(narrow(1 + 2 ** -11, 'f16'), 0x3c00);
  assert.equal(narrow(1 + 3 * 2 ** -11, 'f16'), 0x3c02);
  assert.equal(narrow(2 - 2 ** -12, 'f16'), 0x4000);
  assert.equal(narrow(65_520, 'f16'), 0x7c00);
});
