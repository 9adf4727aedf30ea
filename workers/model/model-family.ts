// What a family's mapping provides. A new family is a new file with one of these, listed in model-families.ts.
import type { ModelDescription } from '../../native/model-description.ts';
import type { ModelConfig } from './read-model-config.ts';
import type { PlannedSection } from './weight-plan.ts';

/** A description without the dtype, which only the checkpoint's tensors know. */
export type ModelOutline = Omit<ModelDescription, 'dtype'>;

export interface ModelFamily {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** Throws DomainError `bad_config` for anything the engine would compute differently. */
  outline(config: ModelConfig): ModelOutline;
  /** The model the family is known for; gives synthetic models what their sizes do not say. */
  readonly example: ModelOutline;
  /** The config.json that `outline` reads as `model`; what a synthetic checkpoint gets. */
  config(model: ModelOutline): Readonly<Record<string, unknown>>;
  /** Sections of the shared pack, in the order of execution. */
  sharedSections(model: ModelOutline): readonly PlannedSection[];
  /** Sections of one expert's pack, in the order of execution. */
  expertSections(model: ModelOutline, expert: number): readonly PlannedSection[];
  /** Tensors a checkpoint may have without anybody reading them. */
  readonly unreadTensors: RegExp;
}
