// Quantised tensors that cannot be what they say, each refused with file, tensor and expectation.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointIndex } from '../../../../workers/model/checkpoint-index.ts';
import { locateTensor } from '../../../../workers/model/quantization/locate-tensor.ts';
import { readQuantization } from '../../../../workers/model/quantization/quantization-config.ts';
import type { StoredTensor } from '../../../../workers/model/quantization/stored-tensor.ts';

type Tensors = Readonly<Record<string, readonly [dtype: string, shape: readonly number[]]>>;

const PATH = '/m/model.safetensors';
const WIDTHS: Readonly<Record<string, number>> = { U32: 4, I32: 4, F32: 4, BF16: 2, F16: 2 };

function indexOf(tensors: Tensors): CheckpointIndex {
  const entries = Object.entries(tensors).map(([name, [dtype, shape]]) => {
    const bytes = shape.reduce((product, size) => product * size, WIDTHS[dtype] ?? 1);
    return [name, { path: PATH, dtype, shape, offset: 0, bytes }] as const;
  });
  return { folder: '/m', sources: [PATH], tensors: new Map(entries) };
}

/** `p.weight` of shape [8, 64]. */
function locate(config: object, tensors: Tensors): StoredTensor | null {
  const quantization = { mlx: undefined, huggingFace: undefined, ...config };
  const scheme = readQuantization({ path: 'config.json', quantization });
  return locateTensor(scheme, indexOf(tensors), { name: 'p.weight', shape: [8, 64] });
}

const MLX = { mlx: { group_size: 32, bits: 4 } };
/** 4 bits in groups of 32. */
const GOOD: Tensors = {
  'p.weight': ['U32', [8, 8]],
  'p.scales': ['BF16', [8, 2]],
  'p.biases': ['BF16', [8, 2]],
};

test('what the config does not name is inferred from shapes and dtypes', () => {
  const formats = [
    locate(MLX, GOOD),
    locate(MLX, { 'p.weight': ['U32', [8, 12]], 'p.scales': ['F16', [8, 1]], 'p.biases': ['F16', [8, 1]] }),
    locate(MLX, { 'p.weight': ['U32', [8, 8]], 'p.scales': ['U8', [8, 2]] }),
    locate(MLX, { 'p.weight': ['U32', [8, 8]], 'p.scales': ['U8', [8, 4]] }),
    locate(MLX, { 'p.weight': ['U32', [8, 16]], 'p.scales': ['U8', [8, 2]] }),
    locate(MLX, { 'p.weight': ['BF16', [8, 64]] }),
  ].map((stored) => stored?.format);
  const expected = ['affine4-g32-bf16', 'affine6-g64-f16', 'e2m1-g32-e8m0', 'e2m1-g16-e4m3', 'e4m3-g32-e8m0', 'bf16'];
  assert.deepEqual(formats, expected);
});

const FP8 = { huggingFace: { quant_method: 'fp8', weight_block_size: [128, 128] } };
const INT4 = { huggingFace: { quant_method: 'compressed-tensors', format: 'pack-quantized' } };
const MODELOPT = { huggingFace: { quant_method: 'modelopt', quant_algo: 'NVFP4' } };
const AWQ = { huggingFace: { quant_method: 'awq' } };

const refused: readonly (readonly [string, object, Tensors, string])[] = [
  [
    'codes without scales',
    MLX,
    { 'p.weight': ['U32', [8, 8]] },
    'p.weight" has dtype U32, which are codes, but no scales beside it',
  ],
  [
    'affine codes without biases',
    MLX,
    { 'p.weight': ['U32', [8, 8]], 'p.scales': ['BF16', [8, 2]] },
    'p.weight" has no "p.biases" beside it',
  ],
  [
    'scales beside plain weights',
    MLX,
    { ...GOOD, 'p.weight': ['BF16', [8, 64]] },
    'p.weight" has dtype BF16, expected U32',
  ],
  [
    'scales of another shape',
    MLX,
    { ...GOOD, 'p.scales': ['BF16', [4, 2]] },
    'p.scales" has shape [4, 2], expected [8, 2]',
  ],
  ['scales of another dtype', MLX, { ...GOOD, 'p.scales': ['I32', [8, 2]] }, 'p.scales" has dtype I32, expected U8'],
  ['biases of another dtype', MLX, { ...GOOD, 'p.biases': ['F32', [8, 2]] }, 'p.biases" has dtype F32, expected BF16'],
  [
    'codes whose bytes do not match',
    MLX,
    { ...GOOD, 'p.weight': ['U32', [8, 7]] },
    'p.weight" is stored with 3.5 bits in groups of 32',
  ],
  [
    'other bits than the config says',
    { mlx: { group_size: 32, bits: 4, p: { bits: 8, group_size: 32 } } },
    GOOD,
    'p.weight" has shape [8, 8], expected [8, 16]',
  ],
  [
    'a width that is no multiple of the group',
    { mlx: { p: { bits: 4, group_size: 128 } } },
    GOOD,
    'p.weight" has 64 inputs, expected a multiple of its group of 128',
  ],
  [
    'plain weights that the config says are quantised',
    { mlx: { p: { bits: 4, group_size: 32 } } },
    { 'p.weight': ['BF16', [8, 64]] },
    'p.weight" is BF16, but "quantization" in config.json says that it has 4 bits',
  ],
  [
    'scales that the config says there are not',
    { mlx: { p: false } },
    GOOD,
    'p.scales" belongs to "p", which "quantization"',
  ],
  [
    'FP8 without scales',
    FP8,
    { 'p.weight': ['F8_E4M3', [8, 64]] },
    'p.weight" is F8_E4M3, but has no "p.weight_scale_inv"',
  ],
  [
    'FP8 with a grid that does not divide',
    FP8,
    { 'p.weight': ['F8_E4M3', [8, 64]], 'p.weight_scale_inv': ['F32', [3, 5]] },
    'p.weight_scale_inv" has shape [3, 5], expected [1, 1], one for each row, or one',
  ],
  [
    'FP8 that the config does not speak of',
    {},
    { 'p.weight': ['F8_E4M3', [8, 64]], 'p.weight_scale_inv': ['F32', [1, 1]] },
    'p.weight" has dtype F8_E4M3, expected F32, F16 or BF16',
  ],
  [
    'codes that the config does not speak of',
    {},
    { 'p.weight_packed': ['I32', [8, 8]] },
    'p.weight_packed" holds codes, but config.json',
  ],
  [
    'a half-converted mixture',
    INT4,
    { 'p.weight': ['BF16', [8, 64]], 'p.weight_packed': ['I32', [8, 8]] },
    'p.weight" is there as "p.weight_packed" too: expected one of them',
  ],
  [
    'integers without scales',
    INT4,
    { 'p.weight_packed': ['I32', [8, 8]] },
    'p.weight_packed" has no "p.weight_scale" beside it',
  ],
  [
    'zero points of integers',
    INT4,
    { 'p.weight_packed': ['I32', [8, 8]], 'p.weight_scale': ['BF16', [8, 2]], 'p.weight_zero_point': ['I32', [1, 2]] },
    'p.weight_zero_point" is a zero point: only symmetric weights are read',
  ],
  [
    'NVFP4 without a factor',
    MODELOPT,
    { 'p.weight': ['U8', [8, 32]], 'p.weight_scale': ['F8_E4M3', [8, 4]] },
    'p.weight" has not one of "p.weight_scale_2" and "p.weight_global_scale" beside it',
  ],
  [
    'AWQ of another shape',
    AWQ,
    { 'p.qweight': ['I32', [8, 8]], 'p.qzeros': ['I32', [2, 1]], 'p.scales': ['F16', [2, 8]] },
    'p.qweight" has shape [8, 8], expected [64, 1]',
  ],
];

for (const [what, config, tensors, message] of refused) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => locate(config, tensors),
      (thrown: Error) => {
        assert.ok(thrown.message.startsWith(`${PATH}: tensor "${message}`), thrown.message);
        return true;
      },
    );
  });
}

test('a tensor that is not there is not found', () => {
  assert.equal(locate(MLX, {}), null);
  assert.equal(locate(FP8, {}), null);
});
