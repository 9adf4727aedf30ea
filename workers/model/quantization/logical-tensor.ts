// A tensor as a family's mapping names it, and what it is stored as. Pure.
import type { PackedFormat } from '../../../native/weight-format.ts';
import type { Biases, NamedTensor, PackedTensor, StoredTensor } from './stored-tensor.ts';
import { badTensor, checkShape, floatTypeOf } from './tensor-lookup.ts';

/** Name and shape that the model needs: [outputs, inputs], [experts, outputs, inputs], or another for plain numbers. */
export interface LogicalTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

export function plainTensor(tensor: NamedTensor, { shape }: LogicalTensor): StoredTensor {
  const format = floatTypeOf(tensor);
  if (format === null) throw badTensor(tensor, `has dtype ${tensor.dtype}, expected F32, F16 or BF16`);
  checkShape(tensor, shape);
  return { kind: 'plain', format, tensor, parts: [tensor.name] };
}

/** `unread` belong to it and are not read. */
export function packedOf(
  { shape }: LogicalTensor,
  format: PackedFormat,
  pieces: Pick<PackedTensor, 'codes' | 'scales' | 'biases' | 'factor'> & Partial<Pick<PackedTensor, 'inputGroups'>>,
  unread: readonly string[] = [],
): StoredTensor {
  const { codes, scales, biases, factor } = pieces;
  const [rows = 1, inputs = 0] = shape.slice(-2);
  const stack = shape.slice(0, -2).reduce((product, size) => product * size, 1);
  const tensors = [codes.tensor, scales.tensor, tensorOf(biases), factor?.tensor];
  const parts = tensors.flatMap((tensor) => (tensor === undefined ? [] : [tensor.name]));
  return { kind: 'packed', format, stack, rows, inputs, inputGroups: null, ...pieces, parts: [...parts, ...unread] };
}

function tensorOf(biases: Biases | null): NamedTensor | undefined {
  return biases === null || biases.kind === 'multiple' ? undefined : biases.tensor;
}
