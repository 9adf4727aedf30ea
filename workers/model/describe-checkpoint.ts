// What a checkpoint folder holds, from config.json and the headers of its weights alone. In: a folder. Out: model, where its
// weights are, and index, checked against each other. Maps nothing, so it needs no native addon.
import { refuseUnsuitableFormats } from './check-formats.ts';
import { type CheckpointIndex, readCheckpointIndex } from './checkpoint-index.ts';
import { familyOf } from './families/model-families.ts';
import type { TensorCopy } from './families/model-family.ts';
import { planWeights, presentCopies } from './plan-weights.ts';
import { plannedActivations } from './planned-activations.ts';
import { readQuantization } from './quantization/quantization-config.ts';
import { type ModelConfig, readModelConfig } from './read-model-config.ts';
import { activationsOf, type StoredModel, tabulateFormats } from './stored-model.ts';
import type { PlannedSection } from './weight-plan.ts';

export interface DescribedCheckpoint {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly index: CheckpointIndex;
  readonly description: StoredModel;
  /** Every section of every pack. */
  readonly sections: readonly PlannedSection[];
  /** Tensors whose contents are to be equal; compared when packs are built. */
  readonly copies: readonly TensorCopy[];
}

/** Reads and checks a checkpoint folder. Throws DomainError `bad_config` or `bad_checkpoint`. */
export async function describeCheckpoint(folder: string): Promise<DescribedCheckpoint> {
  const config = await readModelConfig(folder);
  const family = familyOf(config);
  const outline = family.outline(config);
  const index = await readCheckpointIndex(folder);
  const sections = planWeights(family, outline, index, readQuantization(config));
  const formats = tabulateFormats(sections);
  const activations = plannedActivations(sections, index) ?? activationsOf(formats);
  refuseUnsuitableFormats(index, sections, activations);
  const description = { ...outline, activations, formats };
  return { folder, config, index, description, sections, copies: presentCopies(family, outline, index) };
}
