// The registry of model families. A new one is a new file and a line here.
import { type ModelConfig, refuseKey } from '../read-model-config.ts';
import { dbrx } from './dbrx.ts';
import { ernie45Moe } from './ernie4-5-moe.ts';
import { glm4Moe } from './glm4-moe.ts';
import { gptOss } from './gpt-oss.ts';
import { graniteMoe } from './granitemoe.ts';
import { hunyuanV1Moe } from './hunyuan-v1-moe.ts';
import { llama } from './llama.ts';
import { minimaxM2 } from './minimax-m2.ts';
import { mistral } from './mistral.ts';
import { mixtral } from './mixtral.ts';
import type { ModelFamily } from './model-family.ts';
import { olmoe } from './olmoe.ts';
import { phimoe } from './phimoe.ts';
import { qwen2 } from './qwen2.ts';
import { qwen2Moe } from './qwen2-moe.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3Moe } from './qwen3-moe.ts';

export const FAMILIES: readonly ModelFamily[] = [
  ...[dbrx, qwen3Moe, mixtral, olmoe, qwen2Moe, glm4Moe, minimaxM2, gptOss, graniteMoe, ernie45Moe, hunyuanV1Moe],
  ...[phimoe, qwen3, qwen2, llama, mistral],
];

/** Every model_type with a mapping. */
export const MODEL_TYPES: readonly string[] = FAMILIES.map(({ modelType }) => modelType);

/** The mapping for a model_type; `path` names its source in the error, DomainError `bad_config`. */
export function familyOf(config: Pick<ModelConfig, 'path' | 'modelType'>): ModelFamily {
  const family = FAMILIES.find(({ modelType }) => modelType === config.modelType);
  if (family !== undefined) return family;
  throw refuseKey(config, 'model_type', config.modelType, `supported are: ${MODEL_TYPES.join(', ')}`);
}
