// Integer tensors of Hugging Face checkpoints: compressed-tensors' `P.weight_packed`, AWQ's and GPTQ's `P.qweight`. Pure.
import type { GroupSize, PlainFormat } from '../../../native/weight-format.ts';
import type { CheckpointIndex } from '../checkpoint-index.ts';
import { type LogicalTensor, packedOf } from './logical-tensor.ts';
import { type AffineBits, affineFormat, GROUPS } from './packed-rows.ts';
import type { NamedTensor, StoredTensor } from './stored-tensor.ts';
import { badTensor, checkDtype, checkShape, findTensor, floatTypeOf, needTensor } from './tensor-lookup.ts';

/** `P.weight_packed` int32 [outputs, inputs * bits / 32]: integers of 4 or 8 bits plus half of their range, the first lowest. */
export function locatePackedIntegers(
  index: CheckpointIndex,
  path: string,
  packed: NamedTensor,
  logical: LogicalTensor,
): StoredTensor {
  const [outputs = 0, inputs = 0] = logical.shape;
  const bits = ((packed.shape.at(-1) ?? 0) * 32) / inputs;
  if (bits !== 4 && bits !== 8) throw badTensor(packed, `has ${bits} bits for each weight, expected 4 or 8`);
  const scale = needTensor(index, `${path}.weight_scale`, packed);
  const zeroPoint = findTensor(index, `${path}.weight_zero_point`);
  if (zeroPoint !== null) throw badTensor(zeroPoint, 'is a zero point: only symmetric weights are read');
  const order = findTensor(index, `${path}.weight_g_idx`);
  if (order !== null) throw badTensor(order, 'puts inputs in another order, which is not read');
  const type = typeOf(scale);
  const columns = scale.shape.at(-1) ?? 0;
  checkShape(scale, [outputs, columns]);
  const group = groupOf(inputs, columns, packed);
  const format = affineFormat(bits, group, type);
  const isByGroup = inputs / columns === group;
  const grid = { gridRows: outputs, gridColumns: columns, rowsPerScale: 1, inputsPerScale: inputs / columns };
  return packedOf(
    logical,
    format,
    {
      codes: { order: 'rows', tensor: packed },
      scales: isByGroup ? { layout: 'rows', tensor: scale } : { layout: 'grid', tensor: scale, type, ...grid },
      biases: { kind: 'multiple', by: -(2 ** (bits - 1)) },
      factor: null,
    },
    [`${path}.weight_shape`],
  );
}

/** `P.qweight` int32 [inputs, outputs / 8], `P.qzeros` [groups, outputs / 8], `P.scales` [groups, outputs]. */
export function locateAwq(
  index: CheckpointIndex,
  path: string,
  codes: NamedTensor,
  logical: LogicalTensor,
): StoredTensor {
  const [outputs = 0, inputs = 0] = logical.shape;
  checkShape(codes, [inputs, outputs / 8]);
  return transposedOf(index, path, codes, logical, { bits: 4, order: 'awq', plus: 0 });
}

/** `P.qweight` int32 [inputs * bits / 32, outputs]; otherwise as AWQ's, the codes in their usual order. */
export function locateGptq(
  index: CheckpointIndex,
  path: string,
  codes: NamedTensor,
  logical: LogicalTensor,
  { bits, zerosLessOne }: { readonly bits: 2 | 4 | 8; readonly zerosLessOne: boolean },
): StoredTensor {
  const [outputs = 0, inputs = 0] = logical.shape;
  checkShape(codes, [(inputs * bits) / 32, outputs]);
  return transposedOf(index, path, codes, logical, { bits, order: 'gptq', plus: zerosLessOne ? 1 : 0 });
}

function transposedOf(
  index: CheckpointIndex,
  path: string,
  codes: NamedTensor,
  logical: LogicalTensor,
  { bits, order, plus }: { readonly bits: AffineBits; readonly order: 'awq' | 'gptq'; readonly plus: 0 | 1 },
): StoredTensor {
  const [outputs = 0, inputs = 0] = logical.shape;
  checkDtype(codes, 'I32', 'U32');
  const [scales, zeros] = [needTensor(index, `${path}.scales`, codes), needTensor(index, `${path}.qzeros`, codes)];
  const type = typeOf(scales);
  const groups = scales.shape[0] ?? 0;
  checkShape(scales, [groups, outputs]);
  checkDtype(zeros, 'I32', 'U32');
  checkShape(zeros, [groups, (outputs * bits) / 32]);
  const groupIndex = findTensor(index, `${path}.g_idx`);
  if (order === 'awq' && groupIndex !== null)
    throw badTensor(groupIndex, 'is not known of AWQ: expected a checkpoint without it');
  // A bias is a product of more digits than half a number has.
  const format = affineFormat(bits, groupOf(inputs, groups, codes), 'f32');
  const stored = packedOf(logical, format, {
    codes: { order, tensor: codes },
    scales: { layout: 'transposed', tensor: scales, type, inputsPerScale: inputs / groups },
    biases: { kind: 'zeros', tensor: zeros, order, plus },
    factor: null,
    inputGroups: groupIndex,
  });
  return groupIndex === null ? stored : { ...stored, parts: [...stored.parts, groupIndex.name] };
}

function typeOf(scales: NamedTensor): PlainFormat {
  const type = floatTypeOf(scales);
  if (type === null) throw badTensor(scales, `has dtype ${scales.dtype}, expected F32, F16 or BF16`);
  return type;
}

/** Inputs of a group; of a row with one scale, the largest there is. */
function groupOf(inputs: number, scales: number, codes: NamedTensor): GroupSize {
  const each = inputs / scales;
  const group = GROUPS.findLast((one) => each % one === 0);
  if (group !== undefined && (each === group || each > 128)) return group;
  throw badTensor(codes, `has ${each} inputs for each scale, expected ${GROUPS.join(', ')} or a multiple of them`);
}
