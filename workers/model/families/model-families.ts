// The registry of model families. A new one is a new file and a line here.

import { type ModelConfig, refuseKey } from '../read-model-config.ts';
import { dbrx } from './dbrx.ts';
import type { ModelFamily } from './model-family.ts';

const FAMILIES: readonly ModelFamily[] = [dbrx];

/** Every model_type with a mapping. */
export const MODEL_TYPES: readonly string[] = FAMILIES.map(({ modelType }) => modelType);

/** The mapping for a model_type; `path` names its source in the error, DomainError `bad_config`. */
export function familyOf(config: Pick<ModelConfig, 'path' | 'modelType'>): ModelFamily {
  const family = FAMILIES.find(({ modelType }) => modelType === config.modelType);
  if (family !== undefined) return family;
  throw refuseKey(config, 'model_type', config.modelType, `supported are: ${MODEL_TYPES.join(', ')}`);
}
