// What a family's mapping provides. A new family is a new file with one of these, listed in model-families.ts.
import type { ModelConfig } from '../read-model-config.ts';
import type { ModelOutline, SectionShape } from '../section-shapes.ts';
import type { SectionContent } from '../weight-plan.ts';

/** The sizes that synthetic models of every family have. A dense model has no experts, and `ffn` is the width of its MLPs. */
export interface ModelSizes {
  readonly layers: number;
  readonly dModel: number;
  readonly experts: number;
  readonly topK: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocab: number;
  readonly maxContext: number;
  /** Width of a head; default: dModel / heads. */
  readonly headDim?: number | undefined;
}

/** Whether a checkpoint has a tensor of that name. */
export type HasTensor = (name: string) => boolean;

/** Where a section's weights are in the checkpoint. */
export type SectionSource = (section: SectionShape) => SectionContent;

/** `tensor` is to equal `of`. */
export interface TensorCopy {
  readonly tensor: string;
  readonly of: string;
}

export interface ModelFamily {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** Throws DomainError `bad_config` for anything the engine would compute differently. */
  outline(config: ModelConfig): ModelOutline;
  /** config.json of the model the family is known for. */
  readonly example: Readonly<Record<string, unknown>>;
  /** The example in other sizes; what a synthetic checkpoint gets. */
  resize(sizes: ModelSizes): Readonly<Record<string, unknown>>;
  /** Where the weights of a checkpoint with the tensors `has` are; those of a published one when it has none of them. */
  sources(model: ModelOutline, has: HasTensor): SectionSource;
  /** Where the weights of a checkpoint are that MLX converted. */
  mlxSources(model: ModelOutline): SectionSource;
  /** Tensors that a checkpoint may have beside those of `sources`, if they hold the same as others do. */
  copies(model: ModelOutline): readonly TensorCopy[];
  /** Whether a checkpoint may have the tensor without its being read. */
  isUnread(tensor: string, model: ModelOutline): boolean;
}
