// Tensors of e2m1 codes in Hugging Face checkpoints: gpt-oss's MXFP4 blocks, NVFP4 of ModelOpt and of compressed-tensors. Pure.
import type { CheckpointIndex } from '../checkpoint-index.ts';
import { type LogicalTensor, packedOf } from './logical-tensor.ts';
import { MXFP4, NVFP4 } from './packed-rows.ts';
import type { Factor, NamedTensor, StoredTensor } from './stored-tensor.ts';
import { badTensor, checkDtype, checkShape, findTensor, needTensor } from './tensor-lookup.ts';

/** `N_blocks` u8 [.., outputs, groups, 16], the lower half of a byte first, and `N_scales` u8 [.., outputs, groups]. */
export function locateBlocks(index: CheckpointIndex, blocks: NamedTensor, logical: LogicalTensor): StoredTensor {
  const scales = needTensor(index, blocks.name.replace(/_blocks$/, '_scales'), blocks);
  const grouped = inGroups(logical, 32, blocks);
  checkDtype(blocks, 'U8');
  checkShape(blocks, [...grouped, 16]);
  checkDtype(scales, 'U8', 'F8_E8M0');
  checkShape(scales, grouped);
  return packedOf(logical, MXFP4, {
    codes: { order: 'rows', tensor: blocks },
    scales: { layout: 'rows', tensor: scales },
    biases: null,
    factor: null,
  });
}

/** Codes u8 [outputs, inputs / 2] and `P.weight_scale`: e4m3 for 16 inputs, or e8m0 for 32. */
export function locateNibbles(
  index: CheckpointIndex,
  path: string,
  codes: NamedTensor,
  logical: LogicalTensor,
): StoredTensor {
  const scales = needTensor(index, `${path}.weight_scale`, codes);
  checkDtype(scales, 'F8_E4M3', 'U8', 'F8_E8M0');
  const format = scales.dtype === 'F8_E4M3' ? NVFP4 : MXFP4;
  const inputs = logical.shape.at(-1) ?? 0;
  checkDtype(codes, 'U8', 'I8');
  checkShape(scales, inGroups(logical, format === NVFP4 ? 16 : 32, codes));
  checkShape(codes, [...logical.shape.slice(0, -1), inputs / 2]);
  return packedOf(logical, format, {
    codes: { order: 'rows', tensor: codes },
    scales: { layout: 'rows', tensor: scales },
    biases: null,
    factor: format === NVFP4 ? factorOf(index, path, codes) : null,
  });
}

/** ModelOpt's is multiplied by, compressed-tensors' divided by. */
function factorOf(index: CheckpointIndex, path: string, codes: NamedTensor): Factor {
  const times = findTensor(index, `${path}.weight_scale_2`);
  const over = findTensor(index, `${path}.weight_global_scale`);
  const tensor = times ?? over;
  if (tensor === null || (times !== null && over !== null)) {
    throw badTensor(codes, `has not one of "${path}.weight_scale_2" and "${path}.weight_global_scale" beside it`);
  }
  checkDtype(tensor, 'F32');
  if (tensor.bytes !== 4) throw badTensor(tensor, `has ${tensor.bytes / 4} values, expected one`);
  return { tensor, divisor: 1, inverse: times === null };
}

function inGroups({ shape }: LogicalTensor, group: number, codes: NamedTensor): readonly number[] {
  const inputs = shape.at(-1) ?? 0;
  if (inputs % group !== 0)
    throw badTensor(codes, `has ${inputs} inputs, expected a multiple of its group of ${group}`);
  return [...shape.slice(0, -1), inputs / group];
}
