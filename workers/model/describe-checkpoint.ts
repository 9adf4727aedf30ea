// What a checkpoint folder holds, from config.json and the headers of its weights alone. In: a folder. Out: description,
// family and index, checked against each other. Maps nothing, so it needs no native addon.
import type { ModelDescription } from '../../native/model-description.ts';
import { checkTensors } from './check-tensors.ts';
import { type CheckpointIndex, readCheckpointIndex } from './checkpoint-index.ts';
import { familyOf } from './model-families.ts';
import type { ModelFamily, ModelOutline } from './model-family.ts';
import { type ModelConfig, readModelConfig } from './read-model-config.ts';
import type { PlannedSection } from './weight-plan.ts';

export interface DescribedCheckpoint {
  readonly folder: string;
  readonly config: ModelConfig;
  readonly family: ModelFamily;
  readonly index: CheckpointIndex;
  readonly description: ModelDescription;
}

/** Reads and checks a checkpoint folder. Throws DomainError `bad_config` or `bad_checkpoint`. */
export async function describeCheckpoint(folder: string): Promise<DescribedCheckpoint> {
  const config = await readModelConfig(folder);
  const family = familyOf(config);
  const outline = family.outline(config);
  const index = await readCheckpointIndex(folder);
  const dtype = checkTensors(index, allSections(family, outline), family.unreadTensors);
  return { folder, config, family, index, description: { ...outline, dtype } };
}

/** Every section of every pack of a model. */
export function allSections(family: ModelFamily, model: ModelOutline): readonly PlannedSection[] {
  const experts = Array.from({ length: model.router.experts }, (_, expert) => family.expertSections(model, expert));
  return [...family.sharedSections(model), ...experts.flat()];
}
