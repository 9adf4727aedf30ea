// Does a checkpoint have what a model needs? In: the index and the family's plan. Out: the weights' dtype, or DomainError
// `bad_checkpoint` naming file, tensor and expectation. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { WeightDtype } from '../../native/model-description.ts';
import type { CheckpointIndex, IndexedTensor } from './checkpoint-index.ts';
import { matricesOf, type PlannedSection } from './weight-plan.ts';

const WEIGHT_DTYPES: ReadonlyMap<string, WeightDtype> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
]);

/** The dtype of a tensor that holds weights. Throws DomainError `bad_checkpoint` for one that is not read. */
export function weightDtype(name: string, tensor: IndexedTensor): WeightDtype {
  const dtype = WEIGHT_DTYPES.get(tensor.dtype);
  if (dtype === undefined) {
    throw new DomainError(
      'bad_checkpoint',
      `${tensor.path}: tensor "${name}" has dtype ${tensor.dtype}, expected F32, F16 or BF16`,
      { param: name },
    );
  }
  return dtype;
}

/**
 * Checks that every tensor of the plan is there with its shape, that all matrices share one dtype (norms may have any of
 * the three), and that the checkpoint has no tensor the plan leaves out: a bias, say, that the maths would need.
 * `harmless` names tensors that may stay unread.
 */
export function checkTensors(index: CheckpointIndex, plan: readonly PlannedSection[], harmless: RegExp): WeightDtype {
  const needed = neededTensors(plan);
  let first: { name: string; dtype: WeightDtype } | undefined;
  for (const [name, { shape, isMatrix }] of needed) {
    const dtype = checkTensor(index, name, shape);
    if (!isMatrix) continue;
    first ??= { name, dtype };
    if (dtype !== first.dtype) throw mixedDtypes(index, first, { name, dtype });
  }
  for (const [name, { path }] of index.tensors) {
    if (!needed.has(name) && !harmless.test(name)) {
      throw new DomainError('bad_checkpoint', `${path}: tensor "${name}" is not part of this model`, { param: name });
    }
  }
  if (first === undefined) throw new TypeError('a plan has matrices');
  return first.dtype;
}

interface NeededTensor {
  readonly shape: readonly number[];
  readonly isMatrix: boolean;
}

function neededTensors(plan: readonly PlannedSection[]): ReadonlyMap<string, NeededTensor> {
  const needed = new Map<string, NeededTensor>();
  for (const { content } of plan) {
    if (content.kind === 'vector')
      needed.set(content.source.tensor, { shape: [content.source.length], isMatrix: false });
    for (const { tensor, tensorShape } of matricesOf(content))
      needed.set(tensor, { shape: tensorShape, isMatrix: true });
  }
  return needed;
}

function checkTensor(index: CheckpointIndex, name: string, shape: readonly number[]): WeightDtype {
  const tensor = index.tensors.get(name);
  if (tensor === undefined) {
    const where = index.sources.length === 1 ? index.sources[0] : index.folder;
    throw new DomainError('bad_checkpoint', `${where}: tensor "${name}" of shape ${show(shape)} is missing`, {
      param: name,
    });
  }
  if (show(tensor.shape) !== show(shape)) {
    throw new DomainError(
      'bad_checkpoint',
      `${tensor.path}: tensor "${name}" has shape ${show(tensor.shape)}, expected ${show(shape)}`,
      { param: name },
    );
  }
  return weightDtype(name, tensor);
}

function mixedDtypes(
  index: CheckpointIndex,
  first: { name: string; dtype: WeightDtype },
  other: { name: string; dtype: WeightDtype },
): DomainError {
  return new DomainError(
    'bad_checkpoint',
    `${index.folder}: tensor "${other.name}" is ${other.dtype} but "${first.name}" is ${first.dtype}: expected one dtype for all matrices`,
    { param: other.name },
  );
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
