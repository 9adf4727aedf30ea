// Small checkpoints of random weights for tests.
import { join } from 'node:path';
import type { WeightDtype } from '../native/model-description.ts';
import { dbrx } from '../workers/model/dbrx.ts';
import type { ModelOutline } from '../workers/model/model-family.ts';
import { synthesizeCheckpoint } from '../workers/model/synthesize-checkpoint.ts';
import { SMALL_OUTLINE } from './unit/model/small-outline.ts';

interface Choices {
  readonly model?: ModelOutline;
  readonly dtype?: WeightDtype;
  readonly seed?: number;
  readonly shardBytes?: number;
}

/** Writes a checkpoint to `<parent>/<name>` and returns that folder. */
export async function syntheticModel(parent: string, name: string, choices: Choices = {}): Promise<string> {
  const folder = join(parent, name);
  const { model = SMALL_OUTLINE, dtype = 'bf16', seed = 1, shardBytes = 5e9 } = choices;
  await synthesizeCheckpoint({ family: dbrx, model, dtype, seed, folder, shardBytes, onProgress: () => undefined });
  return folder;
}
