// Small checkpoints of random weights for tests.
import { join } from 'node:path';
import type { PlainFormat } from '../native/weight-format.ts';
import { familyOf } from '../workers/model/families/model-families.ts';
import type { ModelSizes } from '../workers/model/families/model-family.ts';
import { sizeModel } from '../workers/model/size-config.ts';
import { synthesizeCheckpoint } from '../workers/model/synthesize-checkpoint.ts';
import { SMALL_SIZES } from './unit/model/small-model.ts';

interface Choices {
  /** A model_type; default: dbrx. */
  readonly like?: string;
  readonly sizes?: ModelSizes;
  readonly dtype?: PlainFormat;
  readonly seed?: number;
  readonly shardBytes?: number;
}

/** Writes a checkpoint to `<parent>/<name>` and returns that folder. */
export async function syntheticModel(parent: string, name: string, choices: Choices = {}): Promise<string> {
  const folder = join(parent, name);
  const { like = 'dbrx', sizes = SMALL_SIZES, dtype = 'bf16', seed = 1, shardBytes = 5e9 } = choices;
  const model = sizeModel(familyOf({ path: 'test', modelType: like }), sizes);
  await synthesizeCheckpoint({ model, dtype, seed, folder, shardBytes, onProgress: () => undefined });
  return folder;
}
