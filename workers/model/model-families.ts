// The registry of model families. A new one is a new file and a line here.
import { dbrx } from './dbrx.ts';
import type { ModelFamily } from './model-family.ts';
import { type ModelConfig, refuseKey } from './read-model-config.ts';

const FAMILIES: readonly ModelFamily[] = [dbrx];

/** The mapping for a model_type; `path` names its source in the error, DomainError `bad_config`. */
export function familyOf(config: Pick<ModelConfig, 'path' | 'modelType'>): ModelFamily {
  const family = FAMILIES.find(({ modelType }) => modelType === config.modelType);
  if (family !== undefined) return family;
  const supported = FAMILIES.map(({ modelType }) => modelType).join(', ');
  throw refuseKey(config, 'model_type', config.modelType, `supported are: ${supported}`);
}
