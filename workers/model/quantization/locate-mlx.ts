// Quantised tensors as MLX stores them: `P.weight` as u32, `P.scales`, and `P.biases` where the format has them. Pure.
import { type PackedFormat, packedLayout } from '../../../native/weight-format.ts';
import type { CheckpointIndex } from '../checkpoint-index.ts';
import { type LogicalTensor, packedOf, plainTensor } from './logical-tensor.ts';
import { AFFINE_BITS, affineFormat, GROUPS, MXFP4, MXFP8, NVFP4 } from './packed-rows.ts';
import type { MlxParameters } from './quantization-config.ts';
import type { NamedTensor, StoredTensor } from './stored-tensor.ts';
import { badTensor, checkDtype, checkShape, findTensor, floatTypeOf, needTensor, showShape } from './tensor-lookup.ts';

const SUFFIX = '.weight';
/** MLX has the largest magnitude of a tensor, which e2m1 and e4m3 at their largest reach together. */
const GLOBAL_SCALE_RANGE = 448 * 6;

/** As mlx-lm loads it: a module that the config names has its parameters, another has those that the shapes say. */
export function locateMlx(
  modules: ReadonlyMap<string, MlxParameters | false>,
  index: CheckpointIndex,
  logical: LogicalTensor,
): StoredTensor | null {
  const weight = findTensor(index, logical.name);
  if (weight === null) return null;
  const path = logical.name.endsWith(SUFFIX) ? logical.name.slice(0, -SUFFIX.length) : logical.name;
  const scales = findTensor(index, `${path}.scales`);
  const stated = modules.get(path);
  if (scales === null) return plainModule(weight, stated, logical);
  if (stated === false)
    throw badTensor(scales, `belongs to "${path}", which "quantization" in config.json says is not quantised`);
  checkDtype(weight, 'U32');
  return quantisedModule(index, path, weight, scales, stated ?? inferred(weight, scales, logical), logical);
}

function plainModule(
  weight: NamedTensor,
  stated: MlxParameters | false | undefined,
  logical: LogicalTensor,
): StoredTensor {
  if (weight.dtype === 'U32') throw badTensor(weight, 'has dtype U32, which are codes, but no scales beside it');
  const isStatedPlain = stated === undefined || stated === false;
  if (isStatedPlain || floatTypeOf(weight) === null) return plainTensor(weight, logical);
  throw badTensor(
    weight,
    `is ${weight.dtype}, but "quantization" in config.json says that it has ${stated.bits} bits: expected scales beside it`,
  );
}

/** What mlx-lm takes for a module that the config does not name; its defaults would be wrong for mixed checkpoints. */
function inferred(weight: NamedTensor, scales: NamedTensor, { shape }: LogicalTensor): MlxParameters {
  const inputs = shape.at(-1) ?? 0;
  const group = inputs / (scales.shape.at(-1) ?? 0);
  const bits = ((weight.shape.at(-1) ?? 0) * 32) / inputs;
  if (floatTypeOf(scales) !== null) return { mode: 'affine', bits, group };
  const mode = bits === 8 ? 'mxfp8' : group === 16 ? 'nvfp4' : 'mxfp4';
  return { mode, bits, group };
}

function quantisedModule(
  index: CheckpointIndex,
  path: string,
  weight: NamedTensor,
  scales: NamedTensor,
  parameters: MlxParameters,
  logical: LogicalTensor,
): StoredTensor {
  const format = formatOf(weight, scales, parameters);
  const inputs = logical.shape.at(-1) ?? 0;
  const leading = logical.shape.slice(0, -1);
  if (inputs % parameters.group !== 0) {
    throw badTensor(weight, `has ${inputs} inputs, expected a multiple of its group of ${parameters.group}`);
  }
  checkShape(weight, [...leading, (inputs * parameters.bits) / 32]);
  checkShape(scales, [...leading, inputs / parameters.group]);
  const isAffine = parameters.mode === 'affine';
  const biases = isAffine ? needTensor(index, `${path}.biases`, weight) : null;
  if (biases !== null) {
    checkDtype(biases, scales.dtype);
    checkShape(biases, scales.shape);
  }
  const globalScale = isAffine ? null : findTensor(index, `${path}.global_scale`);
  return packedOf(logical, format, {
    codes: { order: 'rows', tensor: weight },
    scales: { layout: 'rows', tensor: scales },
    biases: biases === null ? null : { kind: 'rows', tensor: biases },
    factor: globalScale === null ? null : { tensor: globalScale, divisor: GLOBAL_SCALE_RANGE, inverse: false },
  });
}

function formatOf(weight: NamedTensor, scales: NamedTensor, { mode, bits, group }: MlxParameters): PackedFormat {
  const knownBits = AFFINE_BITS.find((one) => one === bits);
  const knownGroup = GROUPS.find((one) => one === group);
  const type = floatTypeOf(scales);
  const said = `${weight.name} ${showShape(weight.shape)} and ${scales.name} ${showShape(scales.shape)}`;
  if (knownBits === undefined || knownGroup === undefined) {
    const expected = `expected ${AFFINE_BITS.join(', ')} bits in groups of ${GROUPS.join(', ')}`;
    throw badTensor(weight, `is stored with ${bits} bits in groups of ${group} by ${said}: ${expected}`);
  }
  if (mode === 'affine') {
    if (type === null) throw badTensor(scales, `has dtype ${scales.dtype}, expected F32, F16 or BF16`);
    return affineFormat(knownBits, knownGroup, type);
  }
  checkDtype(scales, 'U8');
  const format = { mxfp4: MXFP4, nvfp4: NVFP4, mxfp8: MXFP8 }[mode];
  const layout = packedLayout(format);
  if (bits === layout.bits && group === layout.group) return format;
  throw badTensor(weight, `is stored with ${bits} bits in groups of ${group}, which ${mode} has not`);
}
