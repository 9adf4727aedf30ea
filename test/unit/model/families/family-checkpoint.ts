// Configs and checkpoint indexes of families, for tests that read no weights.
import type { CheckpointIndex, IndexedTensor } from '../../../../workers/model/checkpoint-index.ts';
import { familyOf } from '../../../../workers/model/families/model-families.ts';
import type { HasTensor, ModelFamily, ModelSizes } from '../../../../workers/model/families/model-family.ts';
import { sourcedSections } from '../../../../workers/model/plan-weights.ts';
import { parseModelConfig } from '../../../../workers/model/read-model-config.ts';
import type { ModelOutline } from '../../../../workers/model/section-shapes.ts';
import { tensorsOf } from '../../../../workers/model/weight-plan.ts';

/** Small, and no width a multiple of a panel. */
export const ODD_SIZES: ModelSizes = {
  layers: 3,
  dModel: 60,
  vocab: 301,
  maxContext: 256,
  heads: 6,
  kvHeads: 2,
  experts: 6,
  topK: 2,
  ffn: 38,
  headDim: 20,
};

export function familyNamed(modelType: string): ModelFamily {
  return familyOf({ path: 'test', modelType });
}

/** The outline of the family's small model with other keys; undefined takes a key away. */
export function outlineWith(modelType: string, changes: Readonly<Record<string, unknown>> = {}): ModelOutline {
  return outlineOf({ ...familyNamed(modelType).resize(ODD_SIZES), ...changes });
}

export function outlineOf(config: Readonly<Record<string, unknown>>): ModelOutline {
  const parsed = parseModelConfig(JSON.stringify(config), 'config.json');
  return familyOf(parsed).outline(parsed);
}

export type IndexChanges = Readonly<Record<string, IndexedTensor | undefined>>;

/** What a checkpoint of the model has, then `changes`; undefined takes a tensor away. `has` chooses among layouts. */
export function indexOf(
  family: ModelFamily,
  model: ModelOutline,
  changes: IndexChanges = {},
  has: HasTensor = () => false,
): CheckpointIndex {
  const whole = sourcedSections(family, model, has).flatMap(({ content }) => tensorsOf(content));
  const tensors = new Map(whole.map((one) => [one.tensor, tensor(one.tensorShape)]));
  for (const [name, changed] of Object.entries(changes)) {
    if (changed === undefined) tensors.delete(name);
    else tensors.set(name, changed);
  }
  return { folder: '/m', sources: ['/m/model.safetensors'], tensors };
}

export function tensor(shape: readonly number[], dtype = 'BF16'): IndexedTensor {
  return { path: '/m/model.safetensors', dtype, shape, offset: 0, bytes: 0 };
}
