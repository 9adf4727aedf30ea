// FP8 tensors of Hugging Face checkpoints: e4m3 codes, with a scale for each block, each row, or the whole tensor. Pure.
import type { GroupSize } from '../../../native/weight-format.ts';
import type { CheckpointIndex } from '../checkpoint-index.ts';
import { type LogicalTensor, packedOf } from './logical-tensor.ts';
import { floatFormat, GROUPS } from './packed-rows.ts';
import type { NamedTensor, Scales, StoredTensor } from './stored-tensor.ts';
import { badTensor, checkShape, findTensor, floatTypeOf, showShape } from './tensor-lookup.ts';

/** DeepSeek's name first; it is multiplied by, too. */
const SCALE_SUFFIXES = ['_scale_inv', '_scale', '.scale'] as const;
/** Of activations, which are not quantised here, and of caches. */
export const UNREAD_SUFFIXES = [
  'input_scale',
  'activation_scale',
  'input_global_scale',
  'output_scale',
  'k_scale',
  'v_scale',
];

/** `block`: outputs and inputs of a scale where the config says them. Throws DomainError `bad_checkpoint`. */
export function locateFloat8(
  index: CheckpointIndex,
  weight: NamedTensor,
  logical: LogicalTensor,
  block: readonly [number, number] | null,
): StoredTensor {
  checkShape(weight, logical.shape);
  const scale = findScale(index, weight);
  const inputs = logical.shape.at(-1) ?? 0;
  const rows = logical.shape.at(-2) ?? 1;
  const grid = gridOf(scale, logical.shape, block ?? [128, 128]);
  const group = groupOf(inputs, grid.inputsPerScale, weight);
  const type = floatTypeOf(scale) ?? 'e8m0';
  const scales: Scales = {
    layout: 'grid',
    tensor: scale,
    type,
    ...grid,
    rowsPerScale: Math.min(grid.rowsPerScale, rows),
  };
  const format = floatFormat('e4m3', group, type === 'e8m0' ? 'e8m0' : 'f32');
  return packedOf(logical, format, { codes: { order: 'rows', tensor: weight }, scales, biases: null, factor: null });
}

function findScale(index: CheckpointIndex, weight: NamedTensor): NamedTensor {
  const base = weight.name.replace(/\.weight$/, '');
  const names = SCALE_SUFFIXES.map((suffix) => (suffix === '.scale' ? `${base}.scale` : `${weight.name}${suffix}`));
  const scale = names.map((name) => findTensor(index, name)).find((found) => found !== null);
  if (scale === undefined)
    throw badTensor(weight, `is ${weight.dtype}, but has no "${names[0]}" or "${names[1]}" beside it`);
  const isRead = floatTypeOf(scale) !== null || scale.dtype === 'F8_E8M0' || scale.dtype === 'U8';
  if (!isRead) throw badTensor(scale, `has dtype ${scale.dtype}, expected F32, BF16, F16 or F8_E8M0`);
  return scale;
}

interface Grid {
  readonly gridRows: number;
  readonly gridColumns: number;
  readonly rowsPerScale: number;
  readonly inputsPerScale: number;
}

/** One scale for all, one for each row, or a grid of which `block` or the division says the size of the cells. */
function gridOf(scale: NamedTensor, shape: readonly number[], block: readonly [number, number]): Grid {
  const [rows = 1, inputs = 1] = shape.slice(-2);
  const stack = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const scales = scale.shape.reduce((product, size) => product * size, 1);
  if (scales === stack) return { gridRows: 1, gridColumns: 1, rowsPerScale: rows, inputsPerScale: inputs };
  if (scales === stack * rows && (scale.shape.at(-1) === 1 || scale.shape.length < shape.length)) {
    return { gridRows: rows, gridColumns: 1, rowsPerScale: 1, inputsPerScale: inputs };
  }
  const [gridRows = 0, gridColumns = 0] = scale.shape.slice(-2);
  const rowsPerScale = cellOf(rows, gridRows, block[0]);
  const inputsPerScale = cellOf(inputs, gridColumns, block[1]);
  if (rowsPerScale === null || inputsPerScale === null || scales !== stack * gridRows * gridColumns) {
    const expected = [...shape.slice(0, -2), Math.ceil(rows / block[0]), Math.ceil(inputs / block[1])];
    throw badTensor(
      scale,
      `has shape ${showShape(scale.shape)}, expected ${showShape(expected)}, one for each row, or one`,
    );
  }
  return { gridRows, gridColumns, rowsPerScale, inputsPerScale };
}

/** Size of a cell so that `cells` of them cover `size`, the last one perhaps in part; null if there is none. */
function cellOf(size: number, cells: number, usual: number): number | null {
  if (Math.ceil(size / usual) === cells) return usual;
  return cells > 0 && size % cells === 0 ? size / cells : null;
}

/** The largest group whose scales are all the same. */
function groupOf(inputs: number, inputsPerScale: number, weight: NamedTensor): GroupSize {
  const fits = (group: number): boolean =>
    inputs % group === 0 && (inputsPerScale >= inputs || inputsPerScale % group === 0);
  const group = GROUPS.findLast(fits);
  if (group !== undefined) return group;
  throw badTensor(weight, `has ${inputs} inputs and a scale for ${inputsPerScale}: expected multiples of ${GROUPS[0]}`);
}
