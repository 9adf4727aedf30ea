import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOT_QUANTISED, readQuantization } from '../../../../workers/model/quantization/quantization-config.ts';

function schemeOf(mlx: unknown, huggingFace?: unknown) {
  return readQuantization({ path: 'config.json', quantization: { mlx, huggingFace } });
}

test('MLX: modules have what the config says of them, the defaults of their mode, or what it says of all', () => {
  const scheme = schemeOf({
    group_size: 64,
    bits: 4,
    gate: { group_size: 32, bits: 8 },
    experts: { mode: 'mxfp4' },
    usual: true,
    lm_head: false,
  });
  assert.ok(scheme.kind === 'mlx');
  assert.deepEqual(Object.fromEntries(scheme.modules), {
    gate: { mode: 'affine', bits: 8, group: 32 },
    experts: { mode: 'mxfp4', bits: 4, group: 32 },
    usual: { mode: 'affine', bits: 4, group: 64 },
    lm_head: false,
  });
});

test('a config without either key, or with null, is not quantised', () => {
  assert.equal(schemeOf(undefined), NOT_QUANTISED);
});

test("MLX's own key counts before the copy that it writes for Hugging Face", () => {
  assert.equal(schemeOf({ group_size: 32, bits: 4 }, { group_size: 32, bits: 4 }).kind, 'mlx');
});

test('hf_quant_config.json nests what config.json does not', () => {
  const nested = {
    producer: { name: 'modelopt' },
    quantization: { quant_algo: 'NVFP4', exclude_modules: ['lm_head'] },
  };
  assert.deepEqual(schemeOf(undefined, nested), { kind: 'modelopt' });
});

const refused: readonly (readonly [string, unknown, RegExp])[] = [
  [
    'bitsandbytes',
    { quant_method: 'bitsandbytes' },
    /"quantization_config\.quant_method" is "bitsandbytes": is not read; convert it with mlx_lm/,
  ],
  ['no method', { bits: 4 }, /"quantization_config\.quant_method" is missing/],
  ['AWQ of 3 bits', { quant_method: 'awq', bits: 3 }, /"quantization_config\.bits" is 3: only 4 is read/],
  ['AWQ for other kernels', { quant_method: 'awq', version: 'gemv' }, /"quantization_config\.version" is "gemv"/],
  ['GPTQ in another order', { quant_method: 'gptq', desc_act: true }, /"quantization_config\.desc_act" is true/],
  ['GPTQ for Marlin', { quant_method: 'gptq', checkpoint_format: 'marlin' }, /checkpoint_format" is "marlin"/],
  ['another algorithm of ModelOpt', { quant_method: 'modelopt', quant_algo: 'W4A8_AWQ' }, /quant_algo" is "W4A8_AWQ"/],
  [
    'sparse weights',
    { quant_method: 'compressed-tensors', format: 'marlin-24' },
    /format" is "marlin-24": only pack-quantized/,
  ],
  [
    'a format of one group',
    { quant_method: 'compressed-tensors', config_groups: { group_0: { format: 'int-quantized' } } },
    /config_groups\.group_0\.format" is "int-quantized"/,
  ],
  [
    'zero points',
    { quant_method: 'compressed-tensors', config_groups: { group_0: { weights: { symmetric: false } } } },
    /config_groups\.group_0\.weights\.symmetric" is false: only symmetric weights are read/,
  ],
  [
    'blocks of one number',
    { quant_method: 'fp8', weight_block_size: [128] },
    /weight_block_size" is \[128\]: expected two/,
  ],
];

for (const [what, config, message] of refused) {
  test(`refuses ${what} by name, with what to convert to`, () => {
    assert.throws(() => schemeOf(undefined, config), { code: 'bad_config', message });
  });
}

test('refuses a mode and bits that MLX does not have', () => {
  assert.throws(() => schemeOf({ group_size: 64, bits: 'four' }), { code: 'bad_config', message: /"quantization" is/ });
  assert.throws(() => schemeOf({ bits: 4, gate: { mode: 'fp3' } }), {
    message: /"quantization\.gate" is \{"mode":"fp3"\}/,
  });
  assert.throws(() => schemeOf({ bits: 4, gate: 8 }), { message: /"quantization\.gate" is 8/ });
});
