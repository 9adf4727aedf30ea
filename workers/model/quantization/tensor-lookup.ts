// Looks tensors up by name and checks dtype and shape. Throws DomainError `bad_checkpoint` naming file, tensor and expectation.
import { DomainError } from '../../../infra/errors/domain-error.ts';
import type { PlainFormat } from '../../../native/weight-format.ts';
import type { CheckpointIndex } from '../checkpoint-index.ts';
import type { NamedTensor } from './stored-tensor.ts';

const FLOAT_TYPES: ReadonlyMap<string, PlainFormat> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
]);

/** null for a dtype that is not one of f32, f16 and bf16. */
export function floatTypeOf(tensor: { readonly dtype: string }): PlainFormat | null {
  return FLOAT_TYPES.get(tensor.dtype) ?? null;
}

export function findTensor(index: CheckpointIndex, name: string): NamedTensor | null {
  const tensor = index.tensors.get(name);
  return tensor === undefined ? null : { ...tensor, name };
}

/** `of` is the tensor that needs it. */
export function needTensor(index: CheckpointIndex, name: string, of: NamedTensor): NamedTensor {
  const tensor = findTensor(index, name);
  if (tensor === null) throw badTensor(of, `has no "${name}" beside it, in which its scales would be`);
  return tensor;
}

export function checkDtype(tensor: NamedTensor, ...expected: readonly string[]): void {
  if (!expected.includes(tensor.dtype)) {
    throw badTensor(tensor, `has dtype ${tensor.dtype}, expected ${expected.join(' or ')}`);
  }
}

export function checkShape(tensor: NamedTensor, expected: readonly number[]): void {
  if (showShape(tensor.shape) !== showShape(expected)) {
    throw badTensor(tensor, `has shape ${showShape(tensor.shape)}, expected ${showShape(expected)}`);
  }
}

export function badTensor(tensor: NamedTensor, what: string): DomainError {
  return new DomainError('bad_checkpoint', `${tensor.path}: tensor "${tensor.name}" ${what}`, { param: tensor.name });
}

export function showShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
