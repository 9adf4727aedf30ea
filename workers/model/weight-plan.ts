// Where a model's weights come from: which tensor, which slice of it, read in which direction, goes to which section of a
// pack. A family's mapping writes it; the pack builder and the tensor check read it. Pure data.
import type { PackedTensor } from './quantization/stored-tensor.ts';
import type { SectionShape } from './section-shapes.ts';
import type { StoredSection } from './stored-model.ts';

/** A vector inside a tensor: element i is element `first + i * stride` of the tensor, plus `add`. Stored in packs as f32. */
export interface VectorSource {
  readonly tensor: string;
  readonly tensorShape: readonly number[];
  readonly first: number;
  readonly length: number;
  readonly stride: number;
  /** 1 for norms that are stored as w where the maths is 1 + w. */
  readonly add: number;
}

/**
 * A matrix inside a tensor: element (o, i) is element `first + o * outputStride + i * inputStride` of the tensor. Strides
 * are counted in elements, so a matrix stored transposed needs no copy.
 */
export interface MatrixSource {
  readonly tensor: string;
  readonly tensorShape: readonly number[];
  readonly first: number;
  readonly outputs: number;
  readonly inputs: number;
  readonly outputStride: number;
  readonly inputStride: number;
}

/**
 * What a section holds. `vector`: f32. `rows`: the matrix as stored. `panels`: the kernels' layout (packPanels); several
 * matrices of one shape are interleaved panel by panel.
 */
export type SectionContent =
  | { readonly kind: 'vector'; readonly source: VectorSource }
  | { readonly kind: 'rows'; readonly source: MatrixSource }
  | { readonly kind: 'panels'; readonly sources: readonly MatrixSource[] };

/** Where a section's weights are. */
export interface SourcedSection extends SectionShape {
  readonly content: SectionContent;
}

export interface PlannedSection extends StoredSection {
  readonly content: SectionContent;
  /** How the tensor of each matrix is stored; none unless the format is packed. */
  readonly packed: readonly PackedTensor[];
}

/** A matrix that is the whole of a tensor `[outputs, inputs]`, as `nn.Linear` stores it. */
export function wholeMatrix(tensor: string, outputs: number, inputs: number): MatrixSource {
  return { tensor, tensorShape: [outputs, inputs], first: 0, outputs, inputs, outputStride: inputs, inputStride: 1 };
}

/** A vector that is the whole of a tensor. */
export function wholeVector(tensor: string, length: number): VectorSource {
  return { tensor, tensorShape: [length], first: 0, length, stride: 1, add: 0 };
}

/** The matrices a section is made of; none for a vector. */
export function matricesOf(content: SectionContent): readonly MatrixSource[] {
  if (content.kind === 'vector') return [];
  return content.kind === 'rows' ? [content.source] : content.sources;
}

/** The tensors a section is read from, with their shapes. */
export function tensorsOf(content: SectionContent): readonly Pick<MatrixSource, 'tensor' | 'tensorShape'>[] {
  return content.kind === 'vector' ? [content.source] : matricesOf(content);
}
