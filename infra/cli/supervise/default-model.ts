// The model that `npm start` serves when none is named: the repository's demo model, else a small synthetic one, whose
// answers mean nothing.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { familyOf } from '../../../workers/model/model-families.ts';
import { sizeOutline } from '../../../workers/model/size-outline.ts';
import { DEFAULT_SHARD_BYTES, synthesizeCheckpoint } from '../../../workers/model/synthesize-checkpoint.ts';
import { PACKAGE_ROOT } from '../../package-facts.ts';

const SIZES = {
  layers: 4,
  dModel: 256,
  experts: 8,
  topK: 2,
  ffn: 512,
  heads: 4,
  kvHeads: 2,
  vocab: 4096,
  maxContext: 4096,
};

/** Folder of the default model; makes the synthetic one below `home` at its first use. */
export async function defaultModel(home: string, say: (line: string) => void): Promise<string> {
  const demo = join(PACKAGE_ROOT, 'models', 'demo');
  if (existsSync(join(demo, 'config.json'))) return demo;
  const folder = join(home, 'models', 'synthetic');
  if (existsSync(join(folder, 'config.json'))) return folder;
  say('No model was named; making a small synthetic one. Its answers are random words.');
  const family = familyOf({ path: 'the synthetic model', modelType: 'dbrx' });
  await synthesizeCheckpoint({
    family,
    model: sizeOutline(family, SIZES),
    dtype: 'bf16',
    seed: 0,
    folder,
    shardBytes: DEFAULT_SHARD_BYTES,
    onProgress: () => {},
  });
  return folder;
}
