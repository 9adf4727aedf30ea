// From a family's mapping and a checkpoint's index to the sections of a model with their sources and formats. Checks that the
// checkpoint has what the model needs and nothing else: DomainError `bad_checkpoint` names file, tensor and expectation. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { CheckpointIndex } from './checkpoint-index.ts';
import type { ModelFamily, TensorCopy } from './families/model-family.ts';
import { hasTensor, isUnreadPart, locateTensor } from './quantization/locate-tensor.ts';
import { NOT_QUANTISED, type QuantizationScheme } from './quantization/quantization-config.ts';
import type { PackedTensor, StoredTensor } from './quantization/stored-tensor.ts';
import { badTensor, showShape } from './quantization/tensor-lookup.ts';
import { type ModelOutline, sectionShapes } from './section-shapes.ts';
import { type MatrixSource, matricesOf, type PlannedSection, type SourcedSection, tensorsOf } from './weight-plan.ts';

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
 * Every section of the model with its sources and format. Throws DomainError `bad_checkpoint` when a tensor is missing, is stored
 * otherwise than `scheme` says, or is none of the model's: a bias, say, that the maths would need.
 */
export function planWeights(
  family: ModelFamily,
  model: ModelOutline,
  index: CheckpointIndex,
  scheme: QuantizationScheme = NOT_QUANTISED,
): readonly PlannedSection[] {
  const sections = sourcedSections(family, model, (tensor) => hasTensor(index, tensor));
  const needed = new Map(sections.flatMap(({ content }) => tensorsOf(content)).map((one) => [one.tensor, one]));
  const stored = new Map(
    [...needed].map(([name, { tensorShape }]) => [name, locate(scheme, index, name, tensorShape)]),
  );
  const copies = presentCopies(family, model, index);
  for (const { tensor, of } of copies) locate(NOT_QUANTISED, index, tensor, needed.get(of)?.tensorShape ?? []);
  const parts = new Set([...[...stored.values()].flatMap((one) => one.parts), ...copies.map(({ tensor }) => tensor)]);
  for (const [name, { path }] of index.tensors) {
    if (parts.has(name) || family.isUnread(name, model) || isUnreadPart(scheme, name)) continue;
    throw new DomainError('bad_checkpoint', `${path}: tensor "${name}" is not part of this model`, { param: name });
  }
  return sections.map((section) => ({ ...section, ...storedAs(index, section, stored) }));
}

/** Tensors of the checkpoint that are to hold the same as others, such as an lm_head that is tied to the embedding. */
export function presentCopies(family: ModelFamily, model: ModelOutline, index: CheckpointIndex): readonly TensorCopy[] {
  return family.copies(model).filter(({ tensor }) => index.tensors.has(tensor));
}

function locate(
  scheme: QuantizationScheme,
  index: CheckpointIndex,
  name: string,
  shape: readonly number[],
): StoredTensor {
  const stored = locateTensor(scheme, index, { name, shape });
  if (stored !== null) return stored;
  const where = index.sources.length === 1 ? index.sources[0] : index.folder;
  throw new DomainError('bad_checkpoint', `${where}: tensor "${name}" of shape ${showShape(shape)} is missing`, {
    param: name,
  });
}

/** The format that all matrices of a section have. */
function storedAs(
  index: CheckpointIndex,
  { content }: SourcedSection,
  stored: ReadonlyMap<string, StoredTensor>,
): Pick<PlannedSection, 'format' | 'packed'> {
  const matrices = matricesOf(content).flatMap((matrix) => {
    const one = stored.get(matrix.tensor);
    return one === undefined ? [] : [{ matrix, stored: one }];
  });
  const [first] = matrices;
  if (first === undefined) return { format: 'f32', packed: [] };
  const { format } = first.stored;
  const other = matrices.find((one) => one.stored.format !== format);
  if (other !== undefined) {
    throw new DomainError(
      'bad_checkpoint',
      `${index.folder}: tensor "${other.matrix.tensor}" is ${other.stored.format} but "${first.matrix.tensor}" is ${format}: ` +
        'expected one format for gate and up',
      { param: other.matrix.tensor },
    );
  }
  return { format, packed: matrices.flatMap((one) => packedOf(one.matrix, one.stored)) };
}

function packedOf({ inputs, inputStride, outputStride }: MatrixSource, stored: StoredTensor): PackedTensor[] {
  if (stored.kind === 'plain') return [];
  if (inputStride === 1 && outputStride % inputs === 0) return [stored];
  throw badTensor(stored.codes.tensor, 'is quantised along its outputs: expected groups along the inputs');
}
