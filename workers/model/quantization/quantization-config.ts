// How a checkpoint says that it is quantised. In: the `quantization` and `quantization_config` of a config. Out: a
// QuantizationScheme, or DomainError `bad_config` naming the key and what to convert the model to. Pure.
import { z } from 'zod';
import { type ModelConfig, refuseKey } from '../read-model-config.ts';

/** What a module of an MLX checkpoint is quantised to. */
export interface MlxParameters {
  readonly mode: 'affine' | 'mxfp4' | 'nvfp4' | 'mxfp8';
  readonly bits: number;
  readonly group: number;
}

/**
 * `mlx` names what it says of modules: parameters, or false for one that is not quantised; those it does not name are inferred
 * from shapes. The others say by the names of tensors which of them are quantised; `block` is outputs and inputs of a scale.
 */
export type QuantizationScheme =
  | { readonly kind: 'none' }
  | { readonly kind: 'mlx'; readonly modules: ReadonlyMap<string, MlxParameters | false> }
  | { readonly kind: 'mxfp4' }
  | { readonly kind: 'fp8'; readonly block: readonly [number, number] | null }
  | { readonly kind: 'compressed-tensors' }
  | { readonly kind: 'modelopt' }
  | { readonly kind: 'awq' }
  | { readonly kind: 'gptq'; readonly bits: 2 | 4 | 8; readonly zerosLessOne: boolean };

export const NOT_QUANTISED: QuantizationScheme = { kind: 'none' };

type QuantizedConfig = Pick<ModelConfig, 'path' | 'quantization'>;

const CONVERT =
  'convert it with mlx_lm.convert, or take the model in bf16, FP8, MXFP4, NVFP4, INT4 (compressed-tensors), AWQ or GPTQ';

/** The scheme of a checkpoint. Throws DomainError `bad_config` for one that is not read. */
export function readQuantization(config: QuantizedConfig): QuantizationScheme {
  const { mlx, huggingFace } = config.quantization;
  if (mlx !== undefined) return readMlx(config, mlx);
  if (huggingFace === undefined) return NOT_QUANTISED;
  return readHuggingFace(config, huggingFace);
}

const MLX_DEFAULTS = { affine: [4, 64], mxfp4: [4, 32], nvfp4: [4, 16], mxfp8: [8, 32] } as const;

const mlxParameters = z.looseObject({
  group_size: z.number().int().positive().optional(),
  bits: z.number().int().positive().optional(),
  mode: z.enum(['affine', 'mxfp4', 'nvfp4', 'mxfp8']).optional(),
});

function readMlx(config: QuantizedConfig, value: unknown): QuantizationScheme {
  const { group_size, bits, mode, ...modules } = parseMlx(
    config,
    'quantization',
    z.record(z.string(), z.unknown()),
    value,
  );
  const usual = mlxOf(parseMlx(config, 'quantization', mlxParameters, { group_size, bits, mode }));
  const entries = Object.entries(modules).map(([path, given]): [string, MlxParameters | false] => {
    if (typeof given === 'boolean') return [path, given && usual];
    return [path, mlxOf(parseMlx(config, `quantization.${path}`, mlxParameters, given))];
  });
  return { kind: 'mlx', modules: new Map(entries) };
}

function parseMlx<T>(config: QuantizedConfig, key: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const expected =
    'expected group_size and bits as whole numbers, mode affine, mxfp4, nvfp4 or mxfp8, and modules by their paths';
  throw refuseKey(config, key, value, expected);
}

function mlxOf({ group_size, bits, mode = 'affine' }: z.infer<typeof mlxParameters>): MlxParameters {
  const [usualBits, usualGroup] = MLX_DEFAULTS[mode];
  return { mode, bits: bits ?? usualBits, group: group_size ?? usualGroup };
}

const huggingFace = z.looseObject({ quant_method: z.string().optional() });

function readHuggingFace(config: QuantizedConfig, given: unknown): QuantizationScheme {
  const parsed = huggingFace.safeParse(given);
  if (!parsed.success) throw refuseKey(config, 'quantization_config', given, 'expected an object with "quant_method"');
  const value = parsed.data;
  // hf_quant_config.json names its producer instead.
  const method = value.quant_method ?? ('quantization' in value ? 'modelopt' : undefined);
  switch (method) {
    case 'mxfp4':
      return { kind: 'mxfp4' };
    case 'fp8':
    case 'fbgemm_fp8':
      return { kind: 'fp8', block: readBlock(config, value['weight_block_size']) };
    case 'compressed-tensors':
      return readCompressedTensors(config, value);
    case 'modelopt':
      return readModelOpt(config, value);
    case 'awq':
      return readAwq(config, value);
    case 'gptq':
      return readGptq(config, value);
    default:
      throw refuseKey(config, 'quantization_config.quant_method', method, `is not read; ${CONVERT}`);
  }
}

function readBlock(config: QuantizedConfig, value: unknown): readonly [number, number] | null {
  if (value === undefined || value === null) return null;
  const parsed = z.tuple([z.number().int().positive(), z.number().int().positive()]).safeParse(value);
  if (parsed.success) return parsed.data;
  throw refuseKey(config, 'quantization_config.weight_block_size', value, 'expected two whole numbers');
}

const COMPRESSED_FORMATS = new Set([
  'pack-quantized',
  'nvfp4-pack-quantized',
  'mxfp4-pack-quantized',
  'float-quantized',
]);

const compressedGroup = z.looseObject({
  format: z.string().nullish(),
  weights: z.looseObject({ symmetric: z.boolean().nullish(), actorder: z.unknown().optional() }).nullish(),
});

function readCompressedTensors(config: QuantizedConfig, value: Readonly<Record<string, unknown>>): QuantizationScheme {
  const groups = z.record(z.string(), compressedGroup).safeParse(value['config_groups'] ?? {});
  if (!groups.success)
    throw refuseKey(config, 'quantization_config.config_groups', value['config_groups'], 'expected groups');
  const formats = Object.entries(groups.data).flatMap(([name, { format, weights }]) => {
    const key = `quantization_config.config_groups.${name}`;
    if (weights?.symmetric === false) {
      throw refuseKey(config, `${key}.weights.symmetric`, false, `only symmetric weights are read; ${CONVERT}`);
    }
    if (weights?.actorder != null && weights.actorder !== 'weight' && weights.actorder !== 'static') {
      throw refuseKey(
        config,
        `${key}.weights.actorder`,
        weights.actorder,
        `inputs in another order are not read; ${CONVERT}`,
      );
    }
    return typeof format === 'string' ? [[`${key}.format`, format] as const] : [];
  });
  const all = formats.length > 0 ? formats : [['quantization_config.format', value['format']] as const];
  const other = all.find(([, format]) => typeof format !== 'string' || !COMPRESSED_FORMATS.has(format));
  if (other !== undefined) {
    throw refuseKey(config, other[0], other[1], `only ${[...COMPRESSED_FORMATS].join(', ')} are read; ${CONVERT}`);
  }
  return { kind: 'compressed-tensors' };
}

function readModelOpt(config: QuantizedConfig, value: Readonly<Record<string, unknown>>): QuantizationScheme {
  const nested = z.record(z.string(), z.unknown()).safeParse(value['quantization']);
  const { quant_algo: algorithm } = nested.success ? nested.data : value;
  if (algorithm === 'NVFP4' || algorithm === 'FP8') return { kind: 'modelopt' };
  throw refuseKey(config, 'quantization_config.quant_algo', algorithm, `only "NVFP4" and "FP8" are read; ${CONVERT}`);
}

function readAwq(config: QuantizedConfig, value: Readonly<Record<string, unknown>>): QuantizationScheme {
  const { bits = 4, version = 'gemm' } = value;
  if (bits !== 4) throw refuseKey(config, 'quantization_config.bits', bits, `only 4 is read; ${CONVERT}`);
  const isGemm = typeof version === 'string' && version.toLowerCase() === 'gemm';
  if (!isGemm) throw refuseKey(config, 'quantization_config.version', version, `only "gemm" is read; ${CONVERT}`);
  return { kind: 'awq' };
}

function readGptq(config: QuantizedConfig, value: Readonly<Record<string, unknown>>): QuantizationScheme {
  const { bits = 4, desc_act: ordered = false, checkpoint_format: format = 'gptq' } = value;
  if (bits !== 2 && bits !== 4 && bits !== 8) {
    throw refuseKey(config, 'quantization_config.bits', bits, `only 2, 4 and 8 are read; ${CONVERT}`);
  }
  if (ordered !== false) {
    throw refuseKey(
      config,
      'quantization_config.desc_act',
      ordered,
      `inputs in another order are not read; ${CONVERT}`,
    );
  }
  if (format !== 'gptq' && format !== 'gptq_v2') {
    throw refuseKey(
      config,
      'quantization_config.checkpoint_format',
      format,
      `only "gptq" and "gptq_v2" are read; ${CONVERT}`,
    );
  }
  return { kind: 'gptq', bits, zerosLessOne: format === 'gptq' };
}
