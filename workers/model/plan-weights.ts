// From a family's mapping and a checkpoint's index to the sections of a model with their sources and formats. Checks that the
// checkpoint has what the model needs and nothing else: DomainError `bad_checkpoint` names file, tensor and expectation. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { PlainFormat } from '../../native/weight-format.ts';
import type { CheckpointIndex, IndexedTensor } from './checkpoint-index.ts';
import type { ModelFamily, TensorCopy } from './families/model-family.ts';
import { type ModelOutline, sectionShapes } from './section-shapes.ts';
import { matricesOf, type PlannedSection, type SourcedSection, tensorsOf } from './weight-plan.ts';

const WEIGHT_FORMATS: ReadonlyMap<string, PlainFormat> = new Map([
  ['F32', 'f32'],
  ['F16', 'f16'],
  ['BF16', 'bf16'],
]);

/** The format of a tensor that holds weights. Throws DomainError `bad_checkpoint` for one that is not read. */
export function weightFormat(name: string, tensor: IndexedTensor): PlainFormat {
  const format = WEIGHT_FORMATS.get(tensor.dtype);
  if (format === undefined) {
    throw new DomainError(
      'bad_checkpoint',
      `${tensor.path}: tensor "${name}" has dtype ${tensor.dtype}, expected F32, F16 or BF16`,
      { param: name },
    );
  }
  return format;
}

/** Every section of a model and where a checkpoint with the tensors of `has` keeps it. */
export function sourcedSections(
  family: ModelFamily,
  model: ModelOutline,
  has: (tensor: string) => boolean,
): readonly SourcedSection[] {
  const source = family.sources(model, has);
  return sectionShapes(model).map((section) => ({ ...section, content: source(section) }));
}

/**
 * Every section of the model with its sources and format. Throws DomainError `bad_checkpoint` when a tensor is missing, has
 * another shape, or is none of the model's: a bias, say, that the maths would need.
 */
export function planWeights(
  family: ModelFamily,
  model: ModelOutline,
  index: CheckpointIndex,
): readonly PlannedSection[] {
  const sections = sourcedSections(family, model, (tensor) => index.tensors.has(tensor));
  const needed = new Map(sections.flatMap(({ content }) => tensorsOf(content)).map((one) => [one.tensor, one]));
  for (const { tensor, tensorShape } of needed.values()) checkTensor(index, tensor, tensorShape);
  const copies = presentCopies(family, model, index);
  for (const { tensor, of } of copies) checkTensor(index, tensor, needed.get(of)?.tensorShape ?? []);
  for (const [name, { path }] of index.tensors) {
    if (needed.has(name) || copies.some(({ tensor }) => tensor === name) || family.isUnread(name, model)) continue;
    throw new DomainError('bad_checkpoint', `${path}: tensor "${name}" is not part of this model`, { param: name });
  }
  return sections.map((section) => ({ ...section, format: sectionFormat(index, section) }));
}

/** Tensors of the checkpoint that are to hold the same as others, such as an lm_head that is tied to the embedding. */
export function presentCopies(family: ModelFamily, model: ModelOutline, index: CheckpointIndex): readonly TensorCopy[] {
  return family.copies(model).filter(({ tensor }) => index.tensors.has(tensor));
}

function checkTensor(index: CheckpointIndex, name: string, shape: readonly number[]): void {
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
  weightFormat(name, tensor);
}

/** The format that all matrices of a section have. */
function sectionFormat(index: CheckpointIndex, { content }: SourcedSection): PlainFormat {
  const formats = matricesOf(content).map(({ tensor }) => ({ tensor, format: formatIn(index, tensor) }));
  const [first] = formats;
  if (first === undefined) return 'f32';
  const other = formats.find(({ format }) => format !== first.format);
  if (other === undefined) return first.format;
  throw new DomainError(
    'bad_checkpoint',
    `${index.folder}: tensor "${other.tensor}" is ${other.format} but "${first.tensor}" is ${first.format}: expected one ` +
      'format for gate and up',
    { param: other.tensor },
  );
}

function formatIn(index: CheckpointIndex, name: string): PlainFormat {
  const tensor = index.tensors.get(name);
  if (tensor === undefined) throw new TypeError(`${name} was checked to be there`);
  return weightFormat(name, tensor);
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
